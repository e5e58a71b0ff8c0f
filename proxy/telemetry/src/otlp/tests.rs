use super::*;

#[test]
fn only_cumulative_sums_are_exported() {
    for fine in [None, Some(""), Some("cumulative"), Some("Cumulative")] {
        assert!(cumulative_only(fine).is_ok(), "{fine:?}");
    }
    for wish in ["delta", "lowmemory", "deltas"] {
        let error = cumulative_only(Some(wish)).unwrap_err().to_string();
        assert!(error.contains(TEMPORALITY_VARIABLE) && error.contains(wish), "{error}");
    }
}

#[test]
fn an_endpoint_that_is_no_url_is_refused_with_its_reason() {
    for (endpoint, why) in [
        ("collector:4317", "scheme"),
        ("ftp://collector:4317", "scheme"),
        ("http://", "URL"),
        ("/v1/traces", "host"),
        ("", "URL"),
    ] {
        for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
            let error = Export::start(&ExportConfig::new(endpoint, protocol), &Drops::default())
                .unwrap_err()
                .to_string();
            assert!(error.contains(why), "{endpoint}: {error}");
            assert!(error.contains(&format!("`{endpoint}`")), "{error}");
        }
    }
}

#[test]
fn a_header_that_cannot_be_sent_is_named_without_its_value() {
    let mut config = ExportConfig::new("http://127.0.0.1:4317", Protocol::Grpc);
    config.headers = vec![("authorization".to_owned(), Secret::new("canary\n"))];
    let error = Export::start(&config, &Drops::default()).unwrap_err();
    assert!(error.to_string().contains("`authorization`"), "{error}");
    assert!(!format!("{error} {error:?} {config:?}").contains("canary"));
}

#[test]
fn export_starts_inside_and_outside_a_runtime_and_drops_without_one() {
    let config = ExportConfig::new("http://127.0.0.1:9", Protocol::HttpProtobuf);
    let outside = Export::start(&config, &Drops::default()).unwrap();
    assert!(outside.instruments().enabled());
    outside.shutdown(Duration::from_millis(1));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let inside = Export::start(&config, &Drops::default()).unwrap();
        inside.shutdown(Duration::from_millis(1));
    });
}
