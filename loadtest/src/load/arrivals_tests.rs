//! The arrivals of a run are what they claim to be.

use super::*;

fn poisson(rate: f64, seconds: u64, seed: u64) -> Vec<f64> {
    Poisson::new(rate, Duration::from_secs(seconds), Lengths::Constant(10), Lengths::Constant(10), seed)
        .map(|entry| entry.at.as_secs_f64())
        .collect()
}

fn gaps(times: &[f64]) -> Vec<f64> {
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[test]
fn counts_per_second_are_dispersed_like_a_poisson_process() {
    let mut worst = Vec::new();
    for seed in 0..10 {
        let times = poisson(25.0, 400, seed);
        let mut bins = vec![0.0_f64; 400];
        for time in &times {
            bins[*time as usize] += 1.0;
        }
        let mean = bins.iter().sum::<f64>() / 400.0;
        let variance = bins.iter().map(|n| (n - mean).powi(2)).sum::<f64>() / 399.0;
        worst.push(variance / mean);
    }
    let average = worst.iter().sum::<f64>() / 10.0;
    // The index of dispersion of 400 bins has a standard error of sqrt(2/399) = 0.071; of 10 runs, 0.022.
    assert!((average - 1.0).abs() < 0.07, "index of dispersion {average:.3}");
    assert!(worst.iter().all(|idc| (idc - 1.0).abs() < 0.28), "{worst:?}");
}

#[test]
fn gaps_are_exponential_by_kolmogorov_and_smirnov() {
    let passed = (0..100)
        .filter(|seed| {
            let mut gaps = gaps(&poisson(40.0, 25, *seed));
            gaps.sort_by(f64::total_cmp);
            let n = gaps.len() as f64;
            let distance = gaps.iter().enumerate().fold(0.0_f64, |worst, (i, gap)| {
                let expected = 1.0 - (-40.0 * gap).exp();
                worst.max((expected - i as f64 / n).abs()).max(((i + 1) as f64 / n - expected).abs())
            });
            // The critical value at p = 0.01.
            distance * n.sqrt() < 1.628
        })
        .count();
    assert!(passed >= 97, "{passed} of 100 seeds pass");
}

#[test]
fn gaps_do_not_depend_on_each_other() {
    let gaps = gaps(&poisson(40.0, 500, 9));
    let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
    let variance: f64 = gaps.iter().map(|g| (g - mean).powi(2)).sum();
    let covariance: f64 = gaps.windows(2).map(|w| (w[0] - mean) * (w[1] - mean)).sum();
    // The standard error of 20,000 gaps is 0.007.
    assert!((covariance / variance).abs() < 0.03, "autocorrelation {}", covariance / variance);
}

#[test]
fn a_longer_run_begins_with_the_shorter_one() {
    let (short, long) = (poisson(20.0, 5, 3), poisson(20.0, 50, 3));
    assert_eq!(short, long[..short.len()]);
    assert_ne!(short, poisson(20.0, 5, 4));
}

fn evenly(count: u64) -> Arrivals {
    Box::new((0..count).map(|i| {
        Ok(Entry {
            at: Duration::from_millis(100 * i),
            prompt_tokens: i,
            output_tokens: 1,
            ..Entry::default()
        })
    }))
}

fn bent(count: u64, speed: f64, rate_scale: f64, window: Option<Duration>) -> Vec<Entry> {
    bend(evenly(count), Bend { speed, rate_scale, window, seed: 5 }).map(Result::unwrap).collect()
}

#[test]
fn an_unbent_trace_is_the_trace() {
    let entries = bent(100, 1.0, 1.0, None);
    assert_eq!(entries.len(), 100);
    assert!(
        entries
            .iter()
            .enumerate()
            .all(|(i, e)| e.prompt_tokens == i as u64 && e.at == Duration::from_millis(100 * i as u64))
    );
}

#[test]
fn speed_compresses_time_and_the_window_is_of_the_trace() {
    let entries = bent(100, 4.0, 1.0, Some(Duration::from_secs(5)));
    assert_eq!(entries.len(), 50);
    assert_eq!(entries[49].at, Duration::from_millis(4900 / 4));
}

#[test]
fn rate_scale_thins_and_repeats_in_order_of_time() {
    let thinned = bent(10_000, 1.0, 0.1, None).len();
    assert!((900..1100).contains(&thinned), "{thinned}");
    let repeated = bent(1_000, 1.0, 2.5, None);
    assert!((2_400..2_600).contains(&repeated.len()), "{}", repeated.len());
    assert!(repeated.windows(2).all(|pair| pair[0].at <= pair[1].at));
}
