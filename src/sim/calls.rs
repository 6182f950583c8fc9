//! Calls of clients: to which machine each goes.

use super::input::{Call, Output};
use super::trace::{Trace, TraceEvent};
use super::world::World;
use crate::client::consumer::Consumer;
use crate::client::{Client, ClientId, Effect, OpId, Progress};
use crate::error::Error;
use crate::types::Time;

impl World {
    pub(super) fn call(&mut self, id: ClientId, call: Call, trace: &mut Trace) -> Output {
        let op = OpId(self.next_op);
        self.next_op += 1;
        let now = self.now;
        if let Some(name) = call.name() {
            self.cause = Some(trace.record(now, None, self.actor(id), TraceEvent::Called(name)));
        }
        let mut effects = std::mem::take(&mut self.effects);
        let Some(node) = self.clients.get_mut(id.index()) else {
            return Output::Called(op, Progress::failed(Error::Rewound));
        };
        let progress = match (&mut node.client, call) {
            (Client::Producer(producer), Call::Flush) => producer.flush(op, &mut effects),
            (Client::Producer(producer), Call::CloseProducer(deadline)) => {
                producer.close(deadline, op, &mut effects)
            }
            (Client::Consumer(consumer), call) => {
                call_consumer(consumer, now, op, call, &mut effects)
            }
            (Client::Admin(admin), Call::Admin(request)) => {
                admin.call(now, op, *request, &mut effects)
            }
            (Client::Admin(admin), Call::Close) => admin.close(&mut effects),
            (_, call) => {
                let why = format!("{call:?} is no call of this client");
                Progress::failed(Error::InvalidArgument(why))
            }
        };
        self.carry_out(id, effects, trace);
        Output::Called(op, progress)
    }
}

fn call_consumer(
    consumer: &mut Consumer,
    now: Time,
    op: OpId,
    call: Call,
    effects: &mut Vec<Effect>,
) -> Progress {
    match call {
        Call::Assign(partitions) => consumer.assign(now, partitions, effects),
        Call::Poll(deadline) => consumer.poll(now, op, deadline, effects),
        Call::Seek(partition, to) => consumer.seek(&partition, to),
        Call::SetPaused(partitions, paused) => consumer.set_paused(&partitions, paused),
        Call::Position(partition) => consumer.position(now, op, &partition, effects),
        Call::Lag(partition) => consumer.lag(&partition),
        Call::LookUp(wanted) => consumer.look_up(now, op, wanted, effects),
        Call::Subscribe(topics, has_listener) => consumer.subscribe(now, topics, has_listener),
        Call::Unsubscribe => consumer.unsubscribe(now, op, effects),
        Call::EnforceRebalance => consumer.enforce_rebalance(),
        Call::Answer(answer, goes_on) => consumer.answer_user(now, op, answer, goes_on, effects),
        Call::Commit(offsets, is_sync) => consumer.commit(now, op, offsets, is_sync, effects),
        Call::Committed(partitions) => consumer.committed(now, op, partitions, effects),
        Call::Close => consumer.close(now, op, effects),
        call => {
            let why = format!("{call:?} is no call of a consumer");
            Progress::failed(Error::InvalidArgument(why))
        }
    }
}
