//! A run from start to report. It owns the threads, stopping and looking on; it refuses to print.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::live::Live;
use super::pacer::{Gauges, Paced, pace};
use super::recorder::{Recorder, Yardstick};
use super::report::{Heading, Report};
use super::request::RequestTemplate;
use super::worker::{Worker, work};
use super::{Arrivals, Plan};
use crate::Error;

/// A run under way.
pub struct Run {
    heading: Heading,
    gauges: Arc<Gauges>,
    recorders: Vec<Arc<Mutex<Recorder>>>,
    abort: CancellationToken,
    paced: Option<oneshot::Receiver<Paced>>,
    workers: Vec<oneshot::Receiver<()>>,
}

/// Stops a run from elsewhere.
#[derive(Clone)]
pub struct Stopper {
    gauges: Arc<Gauges>,
    abort: CancellationToken,
}

impl Stopper {
    /// No further arrivals; what is in flight is waited for.
    pub fn stop_arrivals(&self) {
        self.gauges.stop.store(true, Ordering::Relaxed);
    }

    /// No further arrivals, and what is in flight is cut off.
    pub fn abort(&self) {
        self.stop_arrivals();
        self.abort.cancel();
    }
}

impl Run {
    /// Checks the plan, reaches the target once and starts.
    pub async fn start(plan: Plan) -> Result<Self, Error> {
        plan.prove()?;
        let address = plan.target.preflight().await?;
        let template = RequestTemplate::of(&plan)?;
        let gauges = Arc::new(Gauges::new(plan.time_scale));
        let heading = Heading {
            target: plan.target.to_string(),
            model: plan.model.clone(),
            seed: plan.seed,
            objective: plan.objective,
            priced: !plan.prices.is_empty(),
        };
        let mut run = Self {
            heading,
            gauges,
            recorders: Vec::new(),
            abort: CancellationToken::new(),
            paced: None,
            workers: Vec::new(),
        };
        let queues = run.spawn_workers(&plan, address)?;
        run.spawn_pacer(plan.arrivals, template, plan.max_in_flight, queues)?;
        Ok(run)
    }

    fn spawn_workers(
        &mut self,
        plan: &Plan,
        address: SocketAddr,
    ) -> Result<Vec<mpsc::UnboundedSender<super::pacer::Due>>, Error> {
        let (prices, phases) = (plan.prices.clone(), plan.phases.clone());
        let yardstick = Arc::new(Yardstick { prices, objective: plan.objective, phases });
        let mut queues = Vec::with_capacity(plan.workers);
        for number in 0..plan.workers {
            let (queue, due) = mpsc::unbounded_channel();
            let (ended, end) = oneshot::channel();
            let worker = Worker {
                address,
                gauges: Arc::clone(&self.gauges),
                recorder: Arc::default(),
                yardstick: Arc::clone(&yardstick),
                patience: plan.timeout.div_f64(plan.time_scale),
                abort: self.abort.clone(),
            };
            self.recorders.push(Arc::clone(&worker.recorder));
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let name = format!("worker-{number}");
            thread::Builder::new().name(name).spawn(move || {
                runtime.block_on(work(worker, due));
                // Nobody listening means nobody waits.
                let _ = ended.send(());
            })?;
            queues.push(queue);
            self.workers.push(end);
        }
        Ok(queues)
    }

    fn spawn_pacer(
        &mut self,
        arrivals: Arrivals,
        template: RequestTemplate,
        max_in_flight: usize,
        queues: Vec<mpsc::UnboundedSender<super::pacer::Due>>,
    ) -> Result<(), Error> {
        let (ended, end) = oneshot::channel();
        let gauges = Arc::clone(&self.gauges);
        self.paced = Some(end);
        thread::Builder::new().name("pacer".to_owned()).spawn(move || {
            // The queues go with this closure; workers end when they are empty.
            drop(ended.send(pace(arrivals, &template, max_in_flight, &gauges, &queues)));
        })?;
        Ok(())
    }

    /// A handle that stops this run.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper { gauges: Arc::clone(&self.gauges), abort: self.abort.clone() }
    }

    /// How the run stands, with latencies of requests that ended in the last `window` of policy time.
    #[must_use]
    pub fn live(&self, window: Duration) -> Live {
        Live::look(&self.gauges, &self.recorders, window)
    }

    /// Waits until the last arrival's answer has ended. May be dropped and called again.
    pub async fn ended(&mut self) -> Result<Report, Error> {
        for end in &mut self.workers {
            if !end.is_terminated() {
                end.await.map_err(|_| Error::Internal("a worker broke down".to_owned()))?;
            }
        }
        let paced = match self.paced.take() {
            Some(paced) => paced.await.map_err(|_| Error::Internal("the pacer broke down".to_owned()))?,
            None => return Err(Error::Internal("the run has been reported already".to_owned())),
        };
        if let Some(error) = paced.failure {
            return Err(error);
        }
        let mut total = Recorder::default();
        for recorder in &self.recorders {
            total.merge(&recorder.lock());
        }
        Ok(Report::new(&self.heading, &self.gauges, &paced, total))
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.gauges.stop.store(true, Ordering::Relaxed);
        self.abort.cancel();
    }
}
