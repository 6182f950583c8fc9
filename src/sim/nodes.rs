//! Brokers that go and come back, and what happens to their disks.

use super::fault::DiskFault;
use super::input::Output;
use super::trace::{Actor, Trace, TraceEvent};
use super::world::World;
use crate::broker::{Broker, ConnectionId};
use crate::storage::BrokerDisk;
use crate::types::BrokerId;

impl World {
    /// A broker dies, is shut down, or loses its power: its connections break, the requests that
    /// wait on it are forgotten. What it wrote stays on its disk, as far as a failing power lets it.
    pub(super) fn end_broker(
        &mut self,
        id: BrokerId,
        how: TraceEvent,
        trace: &mut Trace,
    ) -> Output {
        let now = self.now;
        let Some(node) = self.brokers.get_mut(&id) else {
            return Output::NoSuchNode(id.into());
        };
        if node.crashed {
            return Output::Done;
        }
        match &how {
            TraceEvent::Stopped => node.broker.stop(now),
            TraceEvent::PowerFailed => node.broker.power_off(),
            _ => {}
        }
        node.crashed = true;
        node.paused_until = None;
        self.cause = Some(trace.record(self.now, None, Actor::Broker(id), how));
        let open: Vec<ConnectionId> =
            self.clients.iter().filter_map(|node| node.connections.get(&id).copied()).collect();
        for connection in open {
            self.reset(id, connection);
        }
        self.set_broker_deadline(id);
        Output::Done
    }

    /// A broker comes back with what is on its disk.
    pub(super) fn restart(&mut self, id: BrokerId, trace: &mut Trace) -> Output {
        let now = self.now;
        let Some(node) = self.brokers.get_mut(&id) else {
            return Output::NoSuchNode(id.into());
        };
        if !node.crashed {
            return Output::Done;
        }
        let effects = match node.broker.restart(now) {
            Ok(effects) => effects,
            Err(why) => return Output::CannotStart(why),
        };
        node.crashed = false;
        self.cause = Some(trace.record(self.now, None, Actor::Broker(id), TraceEvent::Restarted));
        self.carry_out_broker(id, effects, trace);
        Output::Done
    }

    /// A broker makes its logs durable.
    pub(super) fn flush_logs(&mut self, id: BrokerId, trace: &mut Trace) -> Output {
        let now = self.now;
        let Some(node) = self.brokers.get_mut(&id) else {
            return Output::NoSuchNode(id.into());
        };
        if !node.crashed {
            let effects = node.broker.flush_all(now);
            self.carry_out_broker(id, effects, trace);
        }
        Output::Done
    }

    /// Something goes wrong with a broker's disk.
    pub(super) fn break_disk(
        &mut self,
        id: BrokerId,
        fault: DiskFault,
        trace: &mut Trace,
    ) -> Output {
        let Some(node) = self.brokers.get_mut(&id) else {
            return Output::NoSuchNode(id.into());
        };
        let BrokerDisk::Faulty(disk) = node.broker.disk_mut() else {
            let why = "only a faulty disk breaks: build the cluster with .faulty_disk(…)";
            return Output::Refused(why.to_owned());
        };
        match &fault {
            DiskFault::FlipBit { path, position, bit } => {
                if let Err(error) = disk.flip_bit(path, *position, *bit) {
                    return Output::Refused(error.to_string());
                }
            }
            DiskFault::FailWrite { after } => disk.fail_write(*after),
            DiskFault::FailSync { after } => disk.fail_sync(*after),
            DiskFault::Limit { bytes } => disk.set_limit(*bytes),
        }
        trace.record(self.now, None, Actor::Broker(id), TraceEvent::DiskFault(fault));
        Output::Done
    }

    /// Whether a broker's files lie in a directory, so that the world cannot be copied.
    pub fn lies_in_a_directory(&self) -> bool {
        self.brokers().any(Broker::lies_in_a_directory)
    }

    /// Shuts down every broker that is up, and lets go of their directories: they never come back.
    pub fn shut_down(&mut self, trace: &mut Trace) {
        for id in self.brokers.keys().copied().collect::<Vec<_>>() {
            self.end_broker(id, TraceEvent::Stopped, trace);
            if let Some(node) = self.brokers.get_mut(&id) {
                node.broker.leave_directory();
            }
        }
    }
}
