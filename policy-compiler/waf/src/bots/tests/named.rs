use super::*;

fn class_of(agent: &str) -> Class {
    classify(&[("Host", "h"), ("User-Agent", agent), ("Accept", "*/*")], true).class
}

#[test]
fn sdks_for_models_are_api_clients() {
    for agent in [
        "OpenAI/Python 1.109.1",
        "AsyncOpenAI/Python 2.6.0",
        "AzureOpenAI/Python 1.99.0",
        "AsyncAzureOpenAI/Python 1.99.0",
        "OpenAI/JS 6.9.0",
        "OpenAI/Java 4.8.0",
        "OpenAI/Go 3.8.1",
        "openai-dotnet/2.5.0",
        "Anthropic/Python 0.74.0",
        "AsyncAnthropic/Python 0.74.0",
        "AnthropicBedrock/Python 0.74.0",
        "Anthropic/JS 0.70.0",
        "claude-cli/2.0.42 (external, cli)",
        "google-genai-sdk/1.50.1 gl-python/3.12",
        "azsdk-python-ai-inference/1.0.0b9 Python/3.12",
        "litellm/1.79.3",
        "langchain-openai",
        "Boto3/1.40.0 md/Botocore#1.40.0 ua/2.1 os/linux",
        "ai-sdk/5.0.0 runtime/node.js/22",
    ] {
        assert_eq!(class_of(agent), Class::ApiClient, "{agent}");
    }
}

#[test]
fn the_headers_of_a_generated_sdk_are_enough_without_a_name() {
    let headers = [("Host", "h"), ("X-Stainless-Lang", "python"), ("User-Agent", "MyApp 2")];
    assert_eq!(classify(&headers, true), Verdict::of(Class::ApiClient, Evidence::SdkHeaders));
    assert_eq!(classify(&headers[..2], true).class, Class::ApiClient);
    let spoofed = [("Host", "h"), ("X-Stainless-Lang", "js"), ("User-Agent", CHROME)];
    assert_eq!(
        classify(&spoofed, true).class,
        Class::ImpostorBrowser,
        "they do not make a browser of anything"
    );
}

fn all_are(class: Class, agents: &[&str]) {
    for agent in agents {
        assert_eq!(class_of(agent), class, "{agent}");
    }
}

#[test]
fn tools_are_scripts() {
    all_are(
        Class::Script,
        &[
            "curl/8.15.0",
            "Wget/1.25.0",
            "python-requests/2.32.5",
            "Python-urllib/3.13",
            "Python/3.12 aiohttp/3.13.2",
            "python-httpx/0.28.1",
            "Go-http-client/1.1",
            "Java/21.0.4",
            "Java-http-client/21.0.4",
            "Apache-HttpClient/5.4 (Java/21)",
            "okhttp/5.1.0",
            "node",
            "undici",
            "axios/1.13.2",
            "PostmanRuntime/7.49.1",
            "GuzzleHttp/7",
            "Ruby",
            "libwww-perl/6.78",
            "reqwest/0.12.24",
            "Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.22621",
        ],
    );
}

#[test]
fn crawlers_say_so() {
    all_are(
        Class::Crawler,
        &[
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.3; +https://openai.com/gptbot)",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ClaudeBot/1.0; +claudebot@anthropic.com)",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko); compatible; ChatGPT-User/1.0; +https://openai.com/bot",
            "CCBot/2.0 (https://commoncrawl.org/faq/)",
            "Scrapy/2.13.3 (+https://scrapy.org)",
            "facebookexternalhit/1.1",
            "Twitterbot",
        ],
    );
}

#[test]
fn scanners_and_attacks_in_the_name_are_scanners() {
    all_are(
        Class::Scanner,
        &[
            "sqlmap/1.9.10#stable (https://sqlmap.org)",
            "Mozilla/5.00 (Nikto/2.5.0) (Evasions:None) (Test:000001)",
            "Nuclei - Open-source project (github.com/projectdiscovery/nuclei)",
            "Mozilla/5.0 zgrab/0.x",
            "gobuster/3.8",
            "Mozilla/5.0 (compatible; Nmap Scripting Engine; https://nmap.org/book/nse.html)",
            "${jndi:ldap://x/a}",
            "() { :; }; /bin/bash -c id",
        ],
    );
}

#[test]
fn browsers_without_a_screen_say_so() {
    all_are(
        Class::Headless,
        &[
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/142.0.0.0 Safari/537.36",
            "Mozilla/5.0 (Unknown; Linux x86_64) AppleWebKit/538.1 (KHTML, like Gecko) PhantomJS/2.1.1 Safari/538.1",
        ],
    );
}

#[test]
fn what_says_nothing_is_unknown() {
    all_are(Class::Unknown, &["", " ", "MyCompany Widget 3"]);
}

#[test]
fn hints_tell_a_screenless_browser_that_hides_its_name() {
    let headers = [("User-Agent", CHROME), ("sec-ch-ua", "\"HeadlessChrome\";v=\"142\"")];
    assert_eq!(classify(&headers, true).class, Class::Headless);
}
