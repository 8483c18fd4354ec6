//! What a node was told once, as bytes: a recording is only of use with the configuration that it was made under.

use alloc::vec::Vec;

use super::{Reader, Recorded, WireError, Writer};
use crate::delivery::{Receiver, ReceiverConfig, SenderConfig};
use crate::pipeline::{Pipeline, PipelineConfig};
use crate::types::{NodeId, Ticks};
use crate::window::{Tuple, WindowConfig};

/// A protocol whose recordings can be played again.
pub trait Replayable: Recorded {
    /// Its name at the head of a recording.
    const NAME: &'static str;

    /// Appends the configuration.
    fn encode_config(config: &Self::Config, buffer: &mut Vec<u8>);

    /// Reads a configuration; nothing may follow it.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    fn decode_config(bytes: &[u8]) -> Result<Self::Config, WireError>;
}

impl Replayable for Pipeline {
    const NAME: &'static str = "edge";

    fn encode_config(config: &PipelineConfig, buffer: &mut Vec<u8>) {
        let w = &mut Writer(buffer);
        let (windows, sender) = (&config.windows, &config.sender);
        for number in [
            windows.width_ms,
            windows.slack_ms,
            windows.lateness_ms,
            windows.future_ms,
            windows.power_max_mw,
        ] {
            w.signed(number);
        }
        for number in [
            windows.households_max.into(),
            windows.readings_max.into(),
            windows.idle.0.into(),
            sender.cloud.0.into(),
            sender.batch_rows.into(),
            sender.flights.into(),
            sender.retry.0.into(),
            sender.retry_max.0.into(),
            sender.heartbeat.0.into(),
            sender.retain_rows,
            sender.backlog_rows,
        ] {
            w.number(number);
        }
    }

    fn decode_config(bytes: &[u8]) -> Result<PipelineConfig, WireError> {
        let r = &mut Reader(bytes);
        let windows = WindowConfig {
            width_ms: r.signed()?,
            slack_ms: r.signed()?,
            lateness_ms: r.signed()?,
            future_ms: r.signed()?,
            power_max_mw: r.signed()?,
            households_max: r.small()?,
            readings_max: r.small()?,
            idle: Ticks(r.small()?),
            #[cfg(seeded_bugs)]
            bug: None,
        };
        let sender = SenderConfig {
            cloud: NodeId(r.small()?),
            batch_rows: r.small()?,
            flights: r.small()?,
            retry: Ticks(r.small()?),
            retry_max: Ticks(r.small()?),
            heartbeat: Ticks(r.small()?),
            retain_rows: r.number()?,
            backlog_rows: r.number()?,
            #[cfg(seeded_bugs)]
            bug: None,
        };
        Reader(r.0).end()?;
        Ok(PipelineConfig {
            windows,
            sender,
            #[cfg(seeded_bugs)]
            bug: None,
        })
    }
}

impl Replayable for Receiver<Tuple> {
    const NAME: &'static str = "cloud";

    fn encode_config(config: &ReceiverConfig, buffer: &mut Vec<u8>) {
        let w = &mut Writer(buffer);
        for number in [config.edge.0.into(), config.silence.0.into(), config.credit.into()] {
            w.number(number);
        }
    }

    fn decode_config(bytes: &[u8]) -> Result<ReceiverConfig, WireError> {
        let r = &mut Reader(bytes);
        let config = ReceiverConfig {
            edge: NodeId(r.small()?),
            silence: Ticks(r.small()?),
            credit: r.small()?,
            #[cfg(seeded_bugs)]
            bug: None,
        };
        Reader(r.0).end()?;
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_come_back_as_they_were() {
        let edge = PipelineConfig {
            windows: WindowConfig::default(),
            sender: SenderConfig::deployed(NodeId(3)),
            #[cfg(seeded_bugs)]
            bug: None,
        };
        let mut bytes = Vec::new();
        Pipeline::encode_config(&edge, &mut bytes);
        assert_eq!(Pipeline::decode_config(&bytes), Ok(edge));
        bytes.pop();
        assert!(Pipeline::decode_config(&bytes).is_err());

        let cloud = ReceiverConfig::deployed(NodeId(7));
        bytes.clear();
        Receiver::<Tuple>::encode_config(&cloud, &mut bytes);
        assert_eq!(Receiver::<Tuple>::decode_config(&bytes), Ok(cloud));
        bytes.push(0);
        assert!(Receiver::<Tuple>::decode_config(&bytes).is_err());
    }
}
