use crate::sim::{Sim, fleet, trace};
use feedback_loop::Strategy;
#[test]
fn scratch() {
    let t = trace::azure_conversation().unwrap();
    let (mut a, mut b) = (0.0, 0.0);
    for seed in 1..=12 {
        let s = Sim::new(fleet::eventful(), Strategy::Adaptive, seed).run(&t);
        let r = s.report(0.0, 1e9);
        let q = s.report(900.0, 930.0);
        a += q.met;
        b += r.usd_per_million;
        println!(
            "{seed} met {:.1} usd {:.3} b30 {:.1} changes {}",
            r.met,
            r.usd_per_million,
            q.met,
            s.share_changes.len()
        );
        if seed == 2 {
            for c in s
                .runs
                .iter()
                .filter(|r| r.request.at > 899.0 && r.request.at < 932.0 && r.ttft.unwrap_or(99.0) > 2.0)
            {
                println!(
                    "   {:.1} p {} ttft {:.1} by {:?}",
                    c.request.at,
                    c.request.prompt,
                    c.ttft.unwrap_or(99.0),
                    c.served_by
                );
            }
        }
    }
    println!("mean b30 {:.1} usd {:.3}", a / 12.0, b / 12.0);
}
