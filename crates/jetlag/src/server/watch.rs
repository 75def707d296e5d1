//! What a test waits for and asserts of a server that real clients talk to.

use jetlag_model::{ConsumerInfo, ConsumerSeq, DeliveryCount, Payload, StreamSeq, Text, Time};
use jetlag_server::ServerError;
use jetlag_trace::{Key, Kind, Record};

use super::{NAMESPACE, Server};
use crate::names::ConsumerPath;
use crate::{Error, IntoDuration};

/// A delivery that reached a client: one that no fault took away.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Arrival {
    /// The name of the client's connection.
    pub client: Text,
    /// When, on the server's clock.
    pub at: Time,
    /// The message's place in its stream.
    pub stream_seq: StreamSeq,
    /// The delivery's number at its consumer.
    pub consumer_seq: ConsumerSeq,
    /// Which attempt at the message this is, from 1.
    pub delivery_count: DeliveryCount,
    /// The message's subject.
    pub subject: Text,
    /// Its payload.
    pub payload: Payload,
}

impl Arrival {
    /// What a record tells, if it is that of a delivery from this consumer.
    fn of(record: &Record, path: &ConsumerPath<'_>) -> Option<Arrival> {
        let fields = &record.fields;
        let from_it =
            record.kind == Kind::Got && **fields.text(Key::Stream)? == *path.stream && **fields.text(Key::Consumer)? == *path.consumer;
        from_it.then_some(Arrival {
            client: record.place.actor()?.clone(),
            at: record.at,
            stream_seq: StreamSeq(fields.uint(Key::StreamSeq)?),
            consumer_seq: ConsumerSeq(fields.uint(Key::ConsumerSeq)?),
            delivery_count: DeliveryCount(fields.uint(Key::DeliveryCount)?),
            subject: fields.text(Key::Subject)?.clone(),
            payload: fields.bytes(Key::Payload)?.clone(),
        })
    }
}

impl Server {
    /// The deliveries of a consumer that reached clients, in order. The name of an ephemeral consumer that a client drew at random is not
    /// known here, because the trace has another in its place.
    ///
    /// # Errors
    /// When the path is none.
    pub fn deliveries(&self, path: &str) -> Result<Vec<Arrival>, Error> {
        let path = ConsumerPath::parse(path)?;
        let arrivals = |records: &[Record]| records.iter().filter_map(|record| Arrival::of(record, &path)).collect();
        Ok(self.running.with_records(NAMESPACE, arrivals)?)
    }

    /// Waits until `holds` says so. It is asked now, and again whenever a client sends something, comes or goes, or something was due. On a
    /// paused clock waiting in vain ends with the server's limit of virtual time; for less, use `tokio::time::timeout`.
    ///
    /// # Errors
    /// As `holds` has it.
    pub async fn wait_until(&self, mut holds: impl FnMut(&Server) -> Result<bool, Error>) -> Result<(), Error> {
        loop {
            let traffic = self.running.traffic();
            if holds(self)? {
                return Ok(());
            }
            traffic.await;
        }
    }

    /// Waits until so many deliveries of a consumer have reached clients in all, and returns them.
    ///
    /// # Errors
    /// As [`Server::deliveries`].
    pub async fn wait_deliveries(&self, path: &str, count: usize) -> Result<Vec<Arrival>, Error> {
        let mut arrivals = Vec::new();
        self.wait_until(|server| {
            arrivals = server.deliveries(path)?;
            Ok(arrivals.len() >= count)
        })
        .await?;
        Ok(arrivals)
    }

    /// Waits until a consumer has nothing left: every message was delivered, and acknowledged or given up. Returns what the server says of
    /// it then.
    ///
    /// # Errors
    /// As [`Server::consumer_info`]. A server that is down is waited for.
    pub async fn wait_acked(&self, path: &str) -> Result<ConsumerInfo, Error> {
        let mut done = None;
        self.wait_until(|server| {
            done = match server.consumer_info(path) {
                Err(Error::Server(ServerError::Down)) => None,
                info => Some(info?).filter(|info| info.num_pending == 0 && info.num_ack_pending == 0),
            };
            Ok(done.is_some())
        })
        .await?;
        // There is no other way out of the wait.
        done.map_or_else(|| self.consumer_info(path), Ok)
    }

    /// Lets time go on, and wants no message of a consumer to come again meanwhile.
    ///
    /// # Errors
    /// [`Error::Redelivered`] when one does, as soon as it does; and as [`Server::deliveries`].
    pub async fn assert_no_redelivery(&self, path: &str, during: impl IntoDuration) -> Result<(), Error> {
        let during = during.into_duration()?;
        let before = self.deliveries(path)?.len();
        let mut again = None;
        let watch = self.wait_until(|server| {
            again = server.deliveries(path)?.into_iter().skip(before).find(|arrival| arrival.delivery_count.0 > 1);
            Ok(again.is_some())
        });
        let length = std::time::Duration::from_nanos(u64::try_from(during.as_nanos()).map_err(|_| Error::Negative(during))?);
        if let Ok(failed) = tokio::time::timeout(length, watch).await {
            failed?;
        }
        match again {
            None => Ok(()),
            Some(Arrival { stream_seq, delivery_count, at, .. }) => {
                Err(Error::Redelivered { path: path.to_owned(), stream_seq: stream_seq.0, delivery_count: delivery_count.0, at })
            }
        }
    }
}
