use super::*;

/// What is found in a text, by kind and the text it covers.
fn covered<'a>(detector: &Detector, text: &'a str) -> Vec<(Kind, &'a str)> {
    detector.find(text).into_iter().map(|leak| (leak.kind, &text[leak.range])).collect()
}

/// Letters enough to pass for a key. Prefixes are kept apart from them so that no whole key stands in this file.
const LETTERS: &str =
    "aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0xYzAcCeEgGiIkKmMoOqQsSuUwWyY1357924680aB3dE5fG7hJ9kL1mN2pQ4rS6tU8vW0";
const HEX: &str = "0123456789abcdef5a5bc0de9f8e7d6c1122334455667788aabbccddeeff0011";
const BASE32: &str = "IOSFODNN7QWERTY2";

fn key(prefix: &str, count: usize) -> String {
    format!("{prefix}{}", LETTERS.repeat(2).get(..count).unwrap())
}

#[test]
fn every_kind_with_a_prefix_is_found_to_its_last_letter() {
    let hex = |prefix: &str, count: usize| format!("{prefix}{}", &HEX[..count]);
    let table = [
        (Kind::AwsAccessKeyId, format!("AKIA{BASE32}")),
        (Kind::GcpApiKey, key("AIza", 35)),
        (Kind::GcpToken, key("ya29.", 120)),
        (Kind::OpenAiKey, key("sk-", 48)),
        (Kind::OpenAiKey, key("sk-proj-", 156)),
        (Kind::AnthropicKey, key("sk-ant-api03-", 95)),
        (Kind::HuggingFaceToken, key("hf_", 34)),
        (Kind::GitHubToken, key("ghp_", 36)),
        (Kind::GitHubToken, format!("{}_{}", key("github_pat_", 22), &LETTERS[..59])),
        (Kind::GitLabToken, key("glpat-", 20)),
        (Kind::SlackToken, key("xoxb-123456789012-", 24)),
        (Kind::SlackToken, format!("hooks.slack.com/services/T0123/B0456/{}", &LETTERS[..24])),
        (Kind::StripeKey, key("sk_live_", 24)),
        (Kind::TwilioKey, hex("SK", 32)),
        (Kind::SendGridKey, format!("{}.{}", key("SG.", 22), &LETTERS[..43])),
        (Kind::NpmToken, key("npm_", 36)),
        (Kind::PypiToken, key("pypi-AgEIcHlwaS5vcmc", 120)),
        (Kind::GroqKey, key("gsk_", 52)),
        (Kind::XaiKey, key("xai-", 80)),
        (Kind::ReplicateToken, key("r8_", 37)),
        (Kind::DatabricksToken, hex("dapi", 32)),
        (Kind::DigitalOceanToken, hex("dop_v1_", 64)),
        (Kind::ShopifyToken, hex("shpat_", 32)),
        (Kind::VaultToken, key("hvs.", 90)),
        (Kind::TelegramToken, key("123456789:A", 34)),
    ];
    for (kind, secret) in table {
        let text = format!("It is \"{secret}\", keep it.");
        assert_eq!(covered(&defaults(), &text), [(kind, secret.as_str())], "{}", kind.name());
        assert_eq!(covered(&defaults(), &secret), [(kind, secret.as_str())], "{} alone", kind.name());
    }
}

#[test]
fn values_known_by_their_name_are_found_without_the_name() {
    let base64 = format!("{}+/", &LETTERS[..84]);
    let sas = format!("{}%2F%2B%3D", &LETTERS[..41]);
    let table = [
        (Kind::AwsSecretKey, "aws_secret_access_key = ", LETTERS[..38].to_owned() + "/+", "\n"),
        (Kind::AwsSecretKey, "\"SecretAccessKey\": \"", LETTERS[..40].to_owned(), "\","),
        (Kind::AzureStorageKey, "AccountName=a;AccountKey=", format!("{base64}=="), ";Endpoint"),
        (Kind::AzureSas, "https://a.blob.core.windows.net/c?sv=2022&sig=", sas, "&se=2026"),
        (Kind::GcpServiceAccount, "{\"private_key_id\": \"", HEX[..40].to_owned(), "\"}"),
        (Kind::UrlPassword, "postgres://app:", "hunter2!x".to_owned(), "@db.internal/app"),
        (Kind::Password, "PASSWORD='", "correct-horse".to_owned(), "'"),
        (Kind::Password, "api_key: ", LETTERS[..90].repeat(3), " end"),
        (Kind::Bearer, "Authorization: Bearer ", LETTERS[..60].to_owned() + "==", "\r\n"),
    ];
    for (kind, before, value, after) in table {
        let text = format!("{before}{value}{after}");
        assert_eq!(covered(&all(), &text), [(kind, value.as_str())], "{}", kind.name());
    }
}

#[test]
fn payment_cards_are_found_plain_and_in_groups() {
    for card in [
        "4111111111111111",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "5555555555554444",
        "2223003122003222",
        "378282246310005",
        "3782 822463 10005",
        "6011111111111117",
        "30569309025904",
        "3530111333300000",
        "6200000000000005",
        "6759649826438453",
    ] {
        let text = format!("My card:{card}. Thanks");
        assert_eq!(covered(&defaults(), &text), [(Kind::Card, card)], "{card}");
    }
    assert_eq!(kinds_in(&defaults(), "visa 4222222222222"), [Kind::Card], "13 digits after the word");
}

#[test]
fn numbers_that_are_no_cards_are_left() {
    for text in [
        "4111111111111112",
        "1234567890123452",
        "order 41111111111111110000000",
        "0.4111111111111111",
        "4222222222222",
        "4111 1111-1111 1111",
        "4111?1111?1111?1111",
        "id_4111111111111111",
        "a4111111111111111",
        "4444444444444444444444",
        "0000 0000 0000 0000",
        "1700000000000 and 1700000000123",
    ] {
        assert_eq!(kinds_in(&defaults(), text), [], "{text}");
    }
}

#[test]
fn bank_accounts_are_checked_by_country_length_and_remainder() {
    for iban in [
        "DE89370400440532013000",
        "DE89 3704 0044 0532 0130 00",
        "GB82 WEST 1234 5698 7654 32",
        "FR1420041010050500013M02606",
        "NO9386011117947",
        "MT84MALT011000012345MTLCAST001S",
        "BR9700360305000010009795493P1",
    ] {
        let text = format!("Pay to {iban}, please");
        assert_eq!(covered(&defaults(), &text), [(Kind::Iban, iban)], "{iban}");
    }
    for text in [
        "DE89370400440532013001",
        "DE8937040044053201300",
        "XX89370400440532013000",
        "de89370400440532013000",
    ] {
        assert_eq!(kinds_in(&defaults(), text), [], "{text}");
    }
}

#[test]
fn numbers_of_states_are_checked() {
    let table = [
        (Kind::UsSsn, "078-05-1121"),
        (Kind::GermanTaxId, "86095742719"),
        (Kind::GermanTaxId, "65 929 970 489"),
        (Kind::UkNino, "AB123456C"),
        (Kind::UkNino, "AB 12 34 56 C"),
        (Kind::FrenchNir, "185057800608491"),
        (Kind::FrenchNir, "1 85 05 78 006 084 91"),
        (Kind::FrenchNir, "190012A76543282"),
        (Kind::SpanishDni, "12345678Z"),
        (Kind::SpanishDni, "X1234567L"),
        (Kind::BrazilianCpf, "529.982.247-25"),
    ];
    for (kind, number) in table {
        let text = format!("no {number}.");
        assert_eq!(covered(&defaults(), &text), [(kind, number)], "{number}");
    }
    for text in [
        "666-12-3456",
        "000-12-3456",
        "900-12-3456",
        "123-00-4567",
        "123-45-0000",
        "123-45-67890",
        "5-123-45-6789",
        "86095742710",
        "11111111111",
        "BG123456A",
        "AB123456E",
        "DA123456A",
        "185057800608490",
        "12345678A",
        "529.982.247-26",
        "111.111.111-11",
    ] {
        assert_eq!(kinds_in(&defaults(), text), [], "{text}");
    }
}

#[test]
fn bare_numbers_count_only_after_their_name() {
    for (kind, name, number) in [
        (Kind::UkNhs, "NHS number", "943 476 5919"),
        (Kind::UkNhs, "nhs:", "9434765919"),
        (Kind::UsSsn, "Social security no.", "219099998"),
        (Kind::BrazilianCpf, "CPF", "52998224725"),
    ] {
        assert_eq!(covered(&defaults(), &format!("{name} {number}")), [(kind, number)], "{name}");
        assert_eq!(kinds_in(&defaults(), &format!("The number {number}")), [], "{number}");
        let far = format!("{name} {} {number}", "and so on, ".repeat(6));
        assert_eq!(kinds_in(&defaults(), &far), [], "{name} too far away");
    }
}

#[test]
fn ways_to_reach_someone_are_found() {
    for mail in ["jane.doe@example.com", "o'neil+x@mail.example.co.uk", "A_B%c@x-y.io"] {
        assert_eq!(covered(&defaults(), &format!("<{mail}>")), [(Kind::Email, mail)]);
        assert_eq!(covered(&defaults(), &format!("mail {mail}.")), [(Kind::Email, mail)]);
    }
    for phone in ["+14155552671", "+1 (415) 555-2671", "+49 30 901820", "+44 20 7946 0958"] {
        assert_eq!(covered(&defaults(), &format!("call {phone}, now")), [(Kind::Phone, phone)]);
    }
    for address in ["10.0.0.1", "172.16.254.3", "192.168.1.20"] {
        assert_eq!(covered(&all(), &format!("at {address}:80")), [(Kind::PrivateIpv4, address)]);
        assert_eq!(kinds_in(&defaults(), address), [], "not unless asked for");
    }
    for text in [
        "icon@2x.png",
        "git@github.com:a/b",
        "lodash@4.17.21",
        "a@b",
        "@app.route",
        "user@localhost",
        "a@b..com",
        "+1234",
        "x+14155552671",
        "1+4930901820",
        "+1 015 555 2671",
        "172.32.0.1",
        "8.8.8.8",
        "10.0.0.1.5",
        "10.0.0.256",
    ] {
        assert_eq!(kinds_in(&all(), text), [], "{text}");
    }
}

#[test]
fn a_private_key_is_covered_from_its_first_line_to_its_last() {
    let body = format!("{LETTERS}\n").repeat(17);
    for (label, lines) in [
        ("RSA PRIVATE KEY", body.clone()),
        ("PRIVATE KEY", body.replace('\n', "\\n")),
        ("RSA PRIVATE KEY", format!("Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00FF\n\n{body}")),
        ("OPENSSH PRIVATE KEY", body.clone()),
        ("PGP PRIVATE KEY BLOCK", format!("\n{body}=Ab1d\n")),
    ] {
        let key = format!("-----BEGIN {label}-----\n{lines}-----END {label}-----");
        let text = format!("key: \"{key}\", rest");
        assert_eq!(covered(&defaults(), &text), [(Kind::PrivateKey, key.as_str())], "{label}");
    }
    for text in [
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "The line `-----BEGIN PRIVATE KEY-----` opens it.",
        "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkq\n-----END PUBLIC KEY-----",
    ] {
        assert_eq!(kinds_in(&defaults(), text), [], "{text}");
    }
}

#[test]
fn a_web_token_is_covered_whole_and_needs_an_algorithm() {
    let token = format!("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ{}.{}", LETTERS.repeat(5), &LETTERS[..43]);
    let text = format!("Use {token}. Then");
    assert_eq!(covered(&defaults(), &text), [(Kind::Jwt, token.as_str())]);
    for text in ["eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9", "eyJmb28iOiJiYXIifQ.eyJmb28iOiJiYXIifQ.abcdefghijkl"]
    {
        assert_eq!(kinds_in(&defaults(), text), [], "{text}");
    }
}

#[test]
fn placeholders_and_names_are_no_secrets() {
    for text in [
        "sk-proj-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "ghp_XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX",
        "sk-learn and sk-proj-ects, task-force",
        "password = os.environ['DB_PASSWORD']",
        "password: ${DB_PASSWORD}",
        "password = get_password(user)",
        "secret: ********",
        "Bearer authentication is described in RFC 6750",
        "Bearer authenticationauthentication",
        "https://user:$PASSWORD@localhost",
        "hf_hub_download(repo)",
        "npm_config_registry",
        "SKU12345678901234567890",
        "https://example.com:8080/a@b",
        "sha512-AbCd",
    ] {
        assert_eq!(kinds_in(&all(), text), [], "{text}");
    }
}

#[test]
fn nothing_found_is_ever_printed() {
    let detector = defaults();
    let mut stream = LeakStream::new(&detector);
    let mut out = String::new();
    stream.push("jane@example.com 4111 1111 1111", &mut out);
    let told = format!("{stream:?} {:?} {detector:?}", detector.find("jane@example.com"));
    assert!(!told.contains("jane") && !told.contains("4111"), "{told}");
}

#[test]
fn names_are_kebab_case_and_all_different() {
    let mut names: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    assert!(
        names
            .iter()
            .all(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'))
    );
    assert!(Kind::ALL.iter().all(|kind| Kind::from_name(kind.name()) == Some(*kind)));
    assert!(Kind::ALL.iter().all(|kind| kind.label() == format!("[{}]", kind.name())));
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Kind::ALL.len());
    assert!(Kind::ALL.len() < 64, "a set of kinds is one word");
}
