//! One call of an admin: what of it waits for a broker to be found, what is to be sent, what is
//! under way, and what has been answered.

use super::route::Route;
use crate::api::{Request, Response};
use crate::client::Outcome;
use crate::client::network::Backoff;
use crate::error::Error;
use crate::random::Random;
use crate::types::{BrokerId, Time};

/// What one broker is to be sent.
#[derive(Clone, Debug)]
pub struct Part {
    /// The broker; `None` for any.
    pub broker: Option<BrokerId>,
    pub request: Request,
    pub not_before: Time,
}

/// A call that is not done.
#[derive(Clone, Debug)]
pub struct Call {
    route: Route,
    /// What has no broker yet.
    homeless: Option<Request>,
    looking_up: bool,
    lookup_not_before: Time,
    unsent: Vec<Part>,
    in_flight: usize,
    /// Of all parts that are answered.
    answer: Option<Response>,
    failures: u32,
    pub deadline: Time,
    what: &'static str,
}

impl Call {
    pub fn new(request: Request, deadline: Time) -> Self {
        let (what, route) = (request.api_key().name(), Route::of(&request));
        let mut call = Call {
            homeless: None,
            looking_up: false,
            lookup_not_before: Time(0),
            unsent: Vec::new(),
            in_flight: 0,
            answer: None,
            failures: 0,
            route,
            deadline,
            what,
        };
        match call.route {
            Route::Anyone => call.send_again(None, Some(request), Time(0)),
            _ => call.homeless = Some(request),
        }
        call
    }

    /// When the brokers may be looked up, if that is to be done.
    pub fn lookup_due(&self) -> Option<Time> {
        (self.homeless.is_some() && !self.looking_up).then_some(self.lookup_not_before)
    }

    /// The request that looks them up.
    pub fn look_up(&mut self) -> Option<Request> {
        let request = self.route.lookup(self.homeless.as_ref()?)?;
        self.looking_up = true;
        Some(request)
    }

    /// Reads the answer to a lookup, and says whether everything has a broker now.
    pub fn looked_up(&mut self, response: &Response) -> Result<bool, Error> {
        self.looking_up = false;
        if let Some(homeless) = self.homeless.take() {
            let (placed, homeless) = self.route.place(homeless, response)?;
            self.homeless = homeless;
            for (broker, request) in placed {
                self.send_again(Some(broker), Some(request), Time(0));
            }
        }
        Ok(self.homeless.is_none())
    }

    /// Counts a failure, and says when to try again.
    pub fn next_attempt(&mut self, now: Time, backoff: Backoff, random: &mut Random) -> Time {
        self.failures += 1;
        now.after_ms(backoff.after(self.failures, random) as i64)
    }

    pub fn look_up_again(&mut self, not_before: Time) {
        self.looking_up = false;
        self.lookup_not_before = not_before;
    }

    /// To the same broker.
    pub fn send_again(
        &mut self,
        broker: Option<BrokerId>,
        request: Option<Request>,
        not_before: Time,
    ) {
        let part = |request| Part { broker, request, not_before };
        self.unsent.extend(request.map(part));
    }

    /// To a broker that is to be found again.
    pub fn send_elsewhere(&mut self, request: Option<Request>, not_before: Time) {
        let Some(request) = request else { return };
        self.lookup_not_before = not_before;
        match (&mut self.homeless, request) {
            (Some(Request::ListOffsets(homeless)), Request::ListOffsets(more)) => {
                homeless.partitions.extend(more.partitions);
            }
            (homeless, request) => *homeless = Some(request),
        }
    }

    /// The connection was lost before a part was answered. Whoever leads or coordinates may be
    /// somebody else by now; a broker whose groups are to be listed is that broker.
    pub fn lost(&mut self, part: Part, not_before: Time) {
        self.in_flight -= 1;
        match self.route {
            Route::Anyone | Route::Everyone => {
                self.send_again(part.broker, Some(part.request), not_before);
            }
            Route::Coordinator(_) | Route::Leaders => {
                self.send_elsewhere(Some(part.request), not_before);
            }
        }
    }

    pub fn unsent(&self) -> impl Iterator<Item = &Part> {
        self.unsent.iter()
    }

    pub fn take_unsent(&mut self) -> Vec<Part> {
        std::mem::take(&mut self.unsent)
    }

    pub fn keep(&mut self, part: Part) {
        self.unsent.push(part);
    }

    pub fn sent(&mut self) {
        self.in_flight += 1;
    }

    /// Takes the answer to a part, and gives that to the whole call once it is there.
    pub fn answered(&mut self, broker: BrokerId, answer: Option<Response>) -> Option<Outcome> {
        self.in_flight -= 1;
        match (&mut self.answer, answer) {
            (_, None) => {}
            (Some(Response::ListOffsets(all)), Some(Response::ListOffsets(more))) => {
                all.partitions.extend(more.partitions);
            }
            (Some(Response::ListGroups(all)), Some(Response::ListGroups(more))) => {
                if all.error_code.is_none() {
                    all.error_code = more.error_code;
                }
                all.groups.extend(more.groups);
            }
            (all, more) => *all = more,
        }
        let done = self.homeless.is_none() && self.unsent.is_empty() && self.in_flight == 0;
        let answer = if done { self.answer.take() } else { None };
        answer.map(|answer| Outcome::Response(broker, Box::new(answer)))
    }

    /// What is missing, for whoever waits in vain.
    pub fn waits_for(&self) -> String {
        match &self.homeless {
            Some(request) => self.route.sought(request),
            None => format!("an answer to {}", self.what),
        }
    }
}
