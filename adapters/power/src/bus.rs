//! The way to D-Bus.

use std::time::Duration;

use zbus::Connection;
use zbus::connection::Builder;

use crate::PowerError;

/// No call of systemd's or logind's takes longer: they start jobs and answer at once.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Connects to the bus at that address, or to the system's.
///
/// # Errors
/// If there is none.
pub async fn connect(address: Option<&str>) -> Result<Connection, PowerError> {
    let builder = address.map_or_else(Builder::system, Builder::address);
    builder.method_timeout(ANSWER_MAX).build().await.map_err(|error| {
        let next = "is dbus-daemon or dbus-broker running here? On a machine without one, broker = \"process\" and \
                    host = \"stays-up\" need none";
        PowerError::new("reach D-Bus", address.unwrap_or("the system's bus"), error, next)
    })
}
