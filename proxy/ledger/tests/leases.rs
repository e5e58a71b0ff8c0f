//! Every interleaving of two replicas that share a ceiling: messages lost and delayed, the register losing
//! everything, a replica killed and started again, a window turning. The transitions are the product's own;
//! only the wires, the clock and what survives a crash are modelled.
// The model is test code as much as the tests are.
#![cfg(test)]

use std::time::{Duration, Instant};

use ledger::lease::{Call, Epoch, GRACE_MS, Lessee, Register, Replica, Reply, Server, Slot, Wants};
use stateright::{Checker, Model, Property};

const CEILING: u64 = 2;
const WINDOWS: usize = 2;
/// Messages under way at once, over both replicas.
const IN_FLIGHT: usize = 2;
/// For a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(280);
/// Calls in all: totals only grow, so without an end there would be no end of states.
const CALLS: usize = 4;

fn slot(window: usize) -> Slot {
    Slot { key: 1, window: window as u64 }
}

/// A replica: what a crash leaves, and what it takes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Gateway {
    /// Reservations written to the journal, by window. Survives.
    journal: [u64; WINDOWS],
    /// Requests really sent, by window. The truth the ledger must not be below.
    sent: [u64; WINDOWS],
    /// Lives so far. Survives.
    life: u64,
    /// Which window its clock is in.
    window: usize,
    /// Nothing while it is down.
    running: Option<Running>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Running {
    lessee: Lessee,
    /// A reservation that is written, and whose request is not sent yet.
    reserved: Option<usize>,
}

impl Gateway {
    fn start(&mut self, name: u64) {
        self.life += 1;
        let lessee = Lessee::new(Replica { name, life: self.life });
        self.running = Some(Running { lessee, reserved: None });
    }

    fn room(&self) -> u64 {
        let held = self.running.as_ref().map_or(0, |running| running.lessee.held(slot(self.window)));
        held.min(CEILING).saturating_sub(self.journal[self.window])
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Message {
    Asked(Call),
    Answered(Call, Reply),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    register: Register,
    gateways: [Gateway; 2],
    /// Sorted: the order of sending is not the order of arrival.
    wires: Vec<Message>,
    /// How often the register's server was started anew, without its data.
    losses: u64,
    grace: bool,
    crashes: u64,
    calls: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Step {
    Reserve(usize),
    Send(usize),
    Ask(usize),
    State(usize, usize),
    GiveBack(usize),
    Deliver(usize),
    Lose(usize),
    RegisterLosesAll,
    GraceEnds,
    Crash(usize),
    Restart(usize),
    WindowTurns(usize),
}

struct Replicas;

impl World {
    fn run(&self) -> String {
        self.losses.to_string()
    }

    fn epoch(&self) -> Epoch {
        Epoch { run: self.run(), since_ms: self.losses * 10 * GRACE_MS }
    }

    fn answer(&mut self, call: &Call) -> Reply {
        let since = self.epoch().since_ms;
        let now_ms = if self.grace { since } else { since + GRACE_MS };
        let run = self.run();
        self.register.answer(Server { run: &run, now_ms }, call)
    }

    fn put(&mut self, message: Message) {
        self.wires.push(message);
        self.wires.sort();
    }

    /// The assumption: in the grace period every replica hears of the epoch and states what it holds, those
    /// that are down included.
    fn all_stated(&self) -> bool {
        let epoch = self.epoch();
        self.gateways.iter().enumerate().all(|(name, gateway)| {
            gateway.running.as_ref().is_some_and(|running| {
                let lessee = &running.lessee;
                lessee.epoch() == Some(&epoch)
                    && (0..WINDOWS).all(|window| {
                        let known = self.register.held_by(slot(window), name as u64);
                        known >= lessee.held(slot(window)).max(gateway.journal[window])
                    })
            })
        })
    }

    fn sent(&self, window: usize) -> u64 {
        self.gateways.iter().map(|gateway| gateway.sent[window]).sum()
    }

    /// A copy in which replica `name` talks with the register undisturbed until it can reserve, or cannot.
    fn can_be_served(&self, name: usize) -> bool {
        let mut world = self.clone();
        for _ in 0..3 {
            if world.gateways[name].room() > 0 {
                return true;
            }
            let call = world.call(name, 1);
            let reply = world.answer(&call);
            world.hear(&call, &reply);
        }
        world.gateways[name].room() > 0
    }

    fn ask(&mut self, name: usize, window: usize, want: u64) {
        let call = self.call_of(name, window, want);
        self.calls += 1;
        self.put(Message::Asked(call));
    }

    fn call(&mut self, name: usize, want: u64) -> Call {
        self.call_of(name, self.gateways[name].window, want)
    }

    fn call_of(&mut self, name: usize, window: usize, want: u64) -> Call {
        let gateway = &mut self.gateways[name];
        let spent = gateway.journal[window];
        let wants = Wants { want, least: 1, ceiling: CEILING };
        gateway.running.as_mut().unwrap().lessee.call(slot(window), spent, wants)
    }

    fn hear(&mut self, call: &Call, reply: &Reply) {
        let gateway = &mut self.gateways[call.replica.name as usize];
        // A reply to a life that is over finds nobody.
        if let Some(running) = gateway.running.as_mut().filter(|_| gateway.life == call.replica.life) {
            running.lessee.hear(call, reply);
        }
    }

    fn offers(&self, name: usize, steps: &mut Vec<Step>) {
        let gateway = &self.gateways[name];
        let Some(running) = &gateway.running else {
            steps.push(Step::Restart(name));
            return;
        };
        if running.reserved.is_some() {
            steps.push(Step::Send(name));
        } else if gateway.room() > 0 {
            steps.push(Step::Reserve(name));
        }
        if self.wires.len() < IN_FLIGHT && self.calls < CALLS {
            if gateway.room() == 0 {
                steps.push(Step::Ask(name));
            } else {
                steps.push(Step::GiveBack(name));
            }
            // At news, and at the start for what the journal says was spent.
            steps.extend(
                (0..WINDOWS)
                    .filter(|window| running.lessee.unstated().any(|it| it == slot(*window)))
                    .map(|window| Step::State(name, window)),
            );
        }
        if self.crashes == 0 {
            steps.push(Step::Crash(name));
        }
        if gateway.window + 1 < WINDOWS {
            steps.push(Step::WindowTurns(name));
        }
    }
}

impl Model for Replicas {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        let gateway =
            || Gateway { journal: [0; WINDOWS], sent: [0; WINDOWS], life: 0, window: 0, running: None };
        let mut world = World {
            register: Register::new(),
            gateways: [gateway(), gateway()],
            wires: Vec::new(),
            losses: 0,
            grace: true,
            crashes: 0,
            calls: 0,
        };
        // Both have said hello: the epoch is known and its grace over.
        for name in 0..2 {
            world.gateways[name].start(name as u64);
            let call = world.call(name, 0);
            let reply = world.answer(&call);
            world.hear(&call, &reply);
        }
        world.grace = false;
        vec![world]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        (0..2).for_each(|name| world.offers(name, steps));
        for index in 0..world.wires.len() {
            steps.extend([Step::Deliver(index), Step::Lose(index)]);
        }
        if world.losses == 0 {
            steps.push(Step::RegisterLosesAll);
        }
        if world.grace && world.all_stated() {
            steps.push(Step::GraceEnds);
        }
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut world = world.clone();
        match step {
            Step::Reserve(name) => {
                let gateway = &mut world.gateways[name];
                gateway.journal[gateway.window] += 1;
                gateway.running.as_mut()?.reserved = Some(gateway.window);
            }
            Step::Send(name) => {
                let gateway = &mut world.gateways[name];
                gateway.sent[gateway.running.as_mut()?.reserved.take()?] += 1;
            }
            Step::Ask(name) => world.ask(name, world.gateways[name].window, 1),
            Step::State(name, window) => world.ask(name, window, 0),
            Step::GiveBack(name) => {
                let gateway = &mut world.gateways[name];
                let (window, spent) = (gateway.window, gateway.journal[gateway.window]);
                gateway.running.as_mut()?.lessee.keep_only(slot(window), spent);
                world.ask(name, window, 0);
            }
            Step::Deliver(index) => match world.wires.remove(index) {
                Message::Asked(call) => {
                    let reply = world.answer(&call);
                    world.put(Message::Answered(call, reply));
                }
                Message::Answered(call, reply) => world.hear(&call, &reply),
            },
            Step::Lose(index) => drop(world.wires.remove(index)),
            Step::RegisterLosesAll => {
                world.losses += 1;
                (world.register, world.grace) = (Register::new(), true);
            }
            Step::GraceEnds => world.grace = false,
            Step::Crash(name) => {
                world.crashes += 1;
                world.gateways[name].running = None;
            }
            Step::Restart(name) => world.gateways[name].start(name as u64),
            Step::WindowTurns(name) => world.gateways[name].window += 1,
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no window is spent beyond its ceiling", |_, world: &World| {
                (0..WINDOWS).all(|window| world.sent(window) <= CEILING)
            }),
            Property::always("a journal is never below the truth", |_, world: &World| {
                world
                    .gateways
                    .iter()
                    .all(|it| (0..WINDOWS).all(|window| it.journal[window] >= it.sent[window]))
            }),
            Property::always("where there is room, a replica that asks is served", |_, world: &World| {
                (0..2).all(|name| {
                    let gateway = &world.gateways[name];
                    let room = world.register.held(slot(gateway.window)) < CEILING;
                    // A restarted replica has what its old life held, however much is left of that.
                    let idle = gateway.running.is_some() && !world.grace;
                    !idle || !room || world.losses > 0 || world.can_be_served(name)
                })
            }),
            Property::sometimes("a window is spent to its ceiling by two replicas", |_, world: &World| {
                world.sent(0) == CEILING && world.gateways.iter().all(|gateway| gateway.sent[0] > 0)
            }),
            Property::sometimes("something is spent after a loss", |_, world: &World| {
                world.losses == 1 && !world.grace && world.sent(1) > 0
            }),
            Property::sometimes(
                "what a killed replica held is spent in its next life",
                |_, world: &World| {
                    world.gateways.iter().any(|gateway| gateway.life == 2 && gateway.sent[0] == CEILING)
                },
            ),
        ]
    }
}

#[test]
fn two_replicas_never_spend_more_than_one_ceiling_whatever_happens_between_them() {
    let begun = Instant::now();
    let checker = Replicas.checker().threads(2).timeout(PATIENCE).spawn_bfs().join();
    let took = begun.elapsed();
    println!(
        "leases: {} states, {} distinct, depth {}, {:?}",
        checker.state_count(),
        checker.unique_state_count(),
        checker.max_depth(),
        took
    );
    checker.assert_properties();
    // A checker that ran out of time calls itself done as well.
    assert!(checker.is_done() && took < PATIENCE, "the state space was not exhausted in {took:?}");
    if let Some(folder) = std::env::var_os("SLUICEGATE_FIGURES") {
        let (states, depth) = (checker.unique_state_count(), checker.max_depth());
        let properties = Replicas.properties().len();
        let figure = format!(
            r#"{{"subject":"Replicas","what":"all interleavings of two replicas with one loss, one kill and lost messages, in stateright","figure":"{states} distinct states to a depth of {depth}; {properties} properties hold, among them: no window beyond its ceiling, no journal below the truth"}}"#
        );
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(std::path::Path::new(&folder).join("interleavings.json"), figure).unwrap();
    }
}
