//! One client's connection: a request, and the bytes of its answer when they come.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::codec::{Reader, Value, Version, encode};
use crate::schema::Api;

/// What came of waiting for an answer.
pub enum Reply {
    /// The answer.
    Answer(Value),
    /// Nothing yet: the request is parked.
    Parked,
    /// The broker closed the connection.
    Closed,
}

/// A connection, with at most one request under way.
pub struct Connection {
    stream: TcpStream,
    client: String,
    correlation: i32,
    waiting: Option<(&'static Api, i16)>,
    received: Vec<u8>,
}

impl Connection {
    /// Connects as this client.
    pub fn open(address: &str, client: &str) -> Result<Self, String> {
        let stream = TcpStream::connect(address).map_err(|e| format!("{address}: {e}"))?;
        stream.set_nodelay(true).map_err(|e| e.to_string())?;
        let client = client.into();
        Ok(Connection { stream, client, correlation: 0, waiting: None, received: Vec::new() })
    }

    /// The API and version of the request under way.
    pub fn waiting(&self) -> Option<(&'static Api, i16)> {
        self.waiting
    }

    /// Sends a request.
    pub fn send(&mut self, api: &'static Api, version: i16, request: &Value) -> Result<(), String> {
        if self.waiting.is_some() {
            return Err(format!("{} still waits for an answer", self.client));
        }
        let flexible = version >= api.flexible;
        self.correlation += 1;
        let mut frame = vec![0; 4];
        frame.extend_from_slice(&api.key.to_be_bytes());
        frame.extend_from_slice(&version.to_be_bytes());
        frame.extend_from_slice(&self.correlation.to_be_bytes());
        frame.extend_from_slice(&(self.client.len() as i16).to_be_bytes());
        frame.extend_from_slice(self.client.as_bytes());
        if flexible {
            frame.push(0);
        }
        encode(&mut frame, &api.request(), request, Version { number: version, flexible });
        let length = (frame.len() - 4) as i32;
        frame[..4].copy_from_slice(&length.to_be_bytes());
        self.stream.write_all(&frame).map_err(|e| e.to_string())?;
        self.waiting = Some((api, version));
        Ok(())
    }

    /// Waits so long for the answer to the request under way.
    pub fn receive(&mut self, patience: Duration) -> Result<Reply, String> {
        let (api, number) = self.waiting.ok_or(format!("{} waits for nothing", self.client))?;
        let deadline = Instant::now() + patience;
        let mut chunk = [0; 4096];
        while !self.is_complete() {
            let left =
                deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            self.stream.set_read_timeout(Some(left)).map_err(|e| e.to_string())?;
            match self.stream.read(&mut chunk) {
                Ok(0) => return Ok(Reply::Closed),
                Ok(count) => self.received.extend_from_slice(&chunk[..count]),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if Instant::now() >= deadline {
                        return Ok(Reply::Parked);
                    }
                }
                Err(e) if e.kind() == ErrorKind::ConnectionReset => return Ok(Reply::Closed),
                Err(e) => return Err(e.to_string()),
            }
        }
        let frame = std::mem::take(&mut self.received);
        self.waiting = None;
        let flexible = number >= api.flexible;
        let mut reader = Reader::new(&frame[4..]);
        if reader.int(4)? != i64::from(self.correlation) {
            return Err("an answer to another request".into());
        }
        if flexible {
            reader.tags()?;
        }
        let answer = reader
            .fields(&api.answer(), Version { number, flexible })
            .map_err(|e| format!("{} v{number}: {e}", api.name))?;
        match reader.left() {
            0 => Ok(Reply::Answer(answer)),
            left => Err(format!("{} v{number}: {left} bytes too many", api.name)),
        }
    }

    fn is_complete(&self) -> bool {
        let Some(length) = self.received.first_chunk::<4>() else { return false };
        self.received.len() >= 4 + u32::from_be_bytes(*length) as usize
    }
}
