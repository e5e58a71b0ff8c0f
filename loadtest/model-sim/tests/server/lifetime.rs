//! Callers who leave, clocks, the log, and the server's own beginning and end.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use model_sim::{Outcome, Profile, SimConfig, serve};

use super::socket::{self, Ending, chat, chat_until_silent, get, post};
use super::{body, fast, start, until};

#[tokio::test]
async fn http_2_without_tls_carries_streams_and_a_broken_one_leaves_the_others() {
    let sim = start(fast());
    let socket = tokio::net::TcpStream::connect(sim.addr()).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(socket)).await.unwrap();
    let ask = |fault: Option<&str>| {
        let path = format!("http://{}/v1/chat/completions", sim.addr());
        let mut request = hyper::Request::post(path).header("x-sim-output-tokens", "10");
        if let Some(fault) = fault {
            request = request.header("x-sim-fault", fault);
        }
        request.body(Full::new(Bytes::from(body(true, 5, 20).to_string()))).unwrap()
    };
    let asking = async {
        let broken = sender.send_request(ask(Some("drop_mid_stream:2"))).await.unwrap();
        assert!(broken.into_body().collect().await.is_err());
        let whole = sender.send_request(ask(None)).await.unwrap();
        assert_eq!(whole.version(), hyper::Version::HTTP_2);
        let bytes = whole.into_body().collect().await.unwrap().to_bytes();
        assert!(bytes.ends_with(b"data: [DONE]\n\n"));
    };
    tokio::select! {
        () = asking => {}
        ended = connection => panic!("the connection ended first: {ended:?}"),
    }
    assert_eq!((sim.totals().failed, sim.totals().completed), (1, 1));
}

#[test]
fn a_server_runs_on_the_callers_runtime_too() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let sim = runtime.block_on(async { serve(TcpListener::bind("127.0.0.1:0").unwrap(), fast()).unwrap() });
    let addr = sim.addr();
    assert_eq!(chat(addr, &[], &body(true, 3, 4)).ending, Ending::Whole);
    drop(sim);
    until("the listener's end", || std::net::TcpStream::connect(addr).is_err());
}

#[test]
fn after_the_caller_leaves_at_most_two_more_events_are_sent() {
    let profile = Profile::hosted(Duration::from_millis(1), 1e6, Duration::from_millis(20));
    let sim = start(SimConfig::new("sim", "m", profile));
    let left_after = socket::leave_after(sim.addr(), 5, &body(true, 1, 5_000));
    until("the caller's leaving in the log", || sim.totals().cancelled == 1);
    let record = &sim.log()[0];
    assert!(record.events <= left_after + 2, "{} events after {left_after}", record.events);
    assert_eq!((record.outcome, record.output_tokens), (Outcome::Cancelled, record.events - 1));
    assert!(record.cost_nanos == 0 && record.billed);
}

#[test]
fn a_caller_who_leaves_before_the_first_token_is_noticed_at_once() {
    let profile = Profile::hosted(Duration::from_secs(600), 1e6, Duration::from_millis(20));
    let sim = start(SimConfig::new("sim", "m", profile));
    let reply = chat_until_silent(sim.addr(), &[], &body(true, 1, 5));
    assert_eq!(reply.ending, Ending::Silent);
    until("the caller's leaving in the log", || sim.totals().cancelled == 1);
    assert_eq!(sim.log()[0].events, 0);
}

#[test]
fn a_time_scale_compresses_the_wall_clock_and_not_the_log() {
    let profile = Profile::hosted(Duration::from_secs(2), 1e6, Duration::from_millis(100));
    let sim = start(SimConfig { time_scale: 50.0, ..SimConfig::new("sim", "m", profile) });
    let began = Instant::now();
    chat(sim.addr(), &[], &body(true, 1, 30));
    // 2 s and 29 x 0.1 s at 50 policy seconds per second are 98 ms.
    let wall = began.elapsed();
    assert!((Duration::from_millis(98)..Duration::from_secs(2)).contains(&wall), "{wall:?}");
    let record = &sim.log()[0];
    let due = record.first_token_due.unwrap().since(record.arrival);
    assert!(due.abs_diff(Duration::from_secs(2)) < Duration::from_millis(1), "{due:?}");
    assert!(record.end.unwrap().since(record.arrival) >= Duration::from_millis(4_900));
}

#[test]
fn the_log_over_http_is_the_log_in_process_and_totals_are_its_sums() {
    let sim = start(fast());
    for i in 0..20 {
        chat(sim.addr(), &[], &body(i % 2 == 0, i, i % 7));
    }
    let lines = String::from_utf8(get(sim.addr(), "/sim/log").body).unwrap();
    let over_http: Vec<model_sim::Record> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(over_http, sim.log());
    let mut sums = model_sim::Totals::default();
    over_http.iter().for_each(|record| sums.add(record));
    assert_eq!(sums, sim.totals());
    assert_eq!(
        serde_json::from_slice::<model_sim::Totals>(&get(sim.addr(), "/sim/totals").body).unwrap(),
        sums
    );
    assert_eq!((sums.completed, sums.completed_prompt_tokens), (20, 190));
}

#[test]
fn a_reset_empties_the_log_and_cuts_off_what_is_under_way() {
    let profile = Profile::self_hosted(1, 1e6, Duration::from_millis(20), Duration::ZERO);
    let sim = start(SimConfig::new("sim", "m", profile));
    let addr = sim.addr();
    let caller = std::thread::spawn(move || chat(addr, &[], &body(true, 1, 100_000)));
    until("a request in flight", || sim.totals().in_flight == 1);
    assert_eq!(post(addr, "/sim/reset", &[], b"").status, 204);
    assert_ne!(caller.join().unwrap().ending, Ending::Whole);
    assert_eq!(sim.totals(), model_sim::Totals::default());
    assert_eq!(chat(addr, &[], &body(true, 1, 2)).ending, Ending::Whole);
    assert_eq!(sim.log()[0].seq, 0);
}

#[test]
fn a_stopped_server_refuses_connections() {
    let sim = start(fast());
    let addr = sim.addr();
    assert_eq!(get(addr, "/health").status, 200);
    sim.shutdown();
    assert!(std::net::TcpStream::connect(addr).is_err());
}

#[test]
fn many_streams_at_once_are_all_whole() {
    let (base, each) = (Duration::from_millis(20), Duration::from_micros(1_200));
    let profile = Profile::self_hosted(16, 5_000.0, base, each);
    let sim = start(SimConfig { time_scale: 20.0, ..SimConfig::new("sim", "m", profile) });
    let addr = sim.addr();
    let ask = move |i: u64| {
        let length = (20 + i).to_string();
        chat(addr, &[("x-sim-output-tokens", &length)], &body(true, 50 + i, 1))
    };
    let callers: Vec<_> = (0..40).map(|i| std::thread::spawn(move || ask(i))).collect();
    for (i, caller) in callers.into_iter().enumerate() {
        let reply = caller.join().unwrap();
        assert_eq!((reply.ending, reply.events().len()), (Ending::Whole, 20 + i + 4));
    }
    let totals = sim.totals();
    assert_eq!((totals.completed, totals.completed_output_tokens), (40, (0..40).map(|i| 20 + i).sum()));
}
