//! x
#[test]
fn scratch() {
    let file = std::env::var("FILE").unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    let s = policy_compiler::Source::new(file, text);
    let o = policy_compiler::compile(&s);
    let style = match std::env::var("STYLE").as_deref() {
        Ok("t") => policy_compiler::Style::Terminal { colour: false },
        Ok("j") => policy_compiler::Style::Json,
        _ => policy_compiler::Style::Plain,
    };
    println!("{}", policy_compiler::render(&o.findings, &s, style));
    println!("{:?}", o.bundle.map(|b| b.digest()));
    if std::env::var("EXPAND").is_ok() {
        println!("{}", policy_compiler::expand(&s).yaml().unwrap_or_default());
    }
    if std::env::var("SCHEMA").is_ok() {
        std::fs::write("../docs/gateway.schema.json", policy_compiler::schema_text()).unwrap();
    }
}
