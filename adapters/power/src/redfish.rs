//! Powering a node on by its BMC, over Redfish.
//!
//! `POST /redfish/v1/Systems/{id}/Actions/ComputerSystem.Reset {"ResetType":"On"}`. That a BMC takes the order does not mean that
//! the host comes up: while it is still going off, the order is dropped without a word. So the [ladder](crate::ladder) sends it
//! again and again, until the node itself answers.

use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use hyper::{Method, Request, Response, Uri};
use tokio::time::timeout;
use tokio_rustls::rustls::ClientConfig;

use crate::PowerError;
use crate::config::{BmcLogin, NodeConfig};
pub(crate) use crate::https::Base;
use crate::https::{send, trusting};

/// How long one power-on may take, log-in included. BMCs are slow, and the next one is due after 30 s.
const ANSWER_MAX: Duration = Duration::from_secs(10);
const SESSIONS: &str = "/redfish/v1/SessionService/Sessions";
const TOKEN: HeaderName = HeaderName::from_static("x-auth-token");

/// A node's BMC.
#[derive(Clone)]
pub struct Redfish {
    base: Base,
    system: String,
    user: String,
    password: String,
    login: BmcLogin,
    tls: Option<Arc<ClientConfig>>,
}

impl fmt::Debug for Redfish {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redfish")
            .field("base", &self.base)
            .field("system", &self.system)
            .field("user", &self.user)
            .field("login", &self.login)
            .finish_non_exhaustive()
    }
}

impl Redfish {
    /// The BMC that the configuration names, if it names one. Reads the password and the certificate.
    ///
    /// # Errors
    /// If a file cannot be read, or the configuration was not checked and is wrong.
    pub fn of(node: &NodeConfig) -> Result<Option<Self>, PowerError> {
        let Some(address) = &node.bmc else {
            return Ok(None);
        };
        let wrong = |what: &dyn fmt::Display, why: &dyn fmt::Display| {
            let next = format!("correct [[power.node]] of node {}", node.id);
            PowerError::new("use a BMC", what, why, next)
        };
        let base: Base = address.parse().map_err(|why: &str| wrong(address, &why))?;
        let path = node.bmc_password_file.as_deref();
        let path = path.ok_or_else(|| wrong(address, &"there is no bmc-password-file"))?;
        let password = std::fs::read_to_string(path).map_err(|error| wrong(&path.display(), &error))?;
        warn_if_open(path);
        let tls = match (&node.bmc_ca, base.is_tls) {
            (Some(ca), true) => Some(trusting(ca).map_err(|why| wrong(&ca.display(), &why))?),
            _ => None,
        };
        Ok(Some(Self {
            base,
            system: node.bmc_system.clone().unwrap_or_else(|| "1".into()),
            user: node.bmc_user.clone().unwrap_or_default(),
            password: password.trim_end_matches(['\r', '\n']).to_owned(),
            login: node.bmc_login,
            tls,
        }))
    }

    /// Tells it once to power the node on.
    ///
    /// # Errors
    /// If it does not take the order. That it takes it does not mean that it does it.
    pub async fn power_on(&self) -> Result<(), PowerError> {
        let sent = match self.login {
            BmcLogin::Basic => timeout(ANSWER_MAX, self.with_password()).await,
            BmcLogin::Session => timeout(ANSWER_MAX, self.with_session()).await,
        };
        let silent = || Err(format!("no answer within {} s", ANSWER_MAX.as_secs()));
        sent.unwrap_or_else(|_| silent()).map_err(|why| {
            let at = format!("{}, system {}", self.base.authority, self.system);
            let next = "does its web page open from this host, and may this user power it on?";
            PowerError::new("power a node on by its BMC", at, why, next)
        })
    }

    async fn with_password(&self) -> Result<(), String> {
        let both = BASE64_STANDARD.encode(format!("{}:{}", self.user, self.password));
        let mut basic = HeaderValue::try_from(format!("Basic {both}")).map_err(|error| error.to_string())?;
        basic.set_sensitive(true);
        self.reset((AUTHORIZATION, basic)).await
    }

    async fn with_session(&self) -> Result<(), String> {
        let who = serde_json::json!({ "UserName": self.user, "Password": self.password });
        let opened = self.ask(Method::POST, SESSIONS, None, Some(&who)).await;
        let opened = opened.map_err(|why| format!("logging in: {why}"))?;
        let token = opened
            .headers()
            .get(TOKEN)
            .ok_or("it logged us in and gave no token")?
            .clone();
        let outcome = self.reset((TOKEN, token.clone())).await;
        // A BMC has a few sessions only, and gives them back after minutes.
        if let Some(session) = opened.headers().get(LOCATION).and_then(|place| place.to_str().ok())
            && let Ok(place) = session.parse::<Uri>()
            && let Err(why) = self.ask(Method::DELETE, place.path(), Some((TOKEN, token)), None).await
        {
            tracing::debug!(bmc = self.base.authority, why, "the session stays open");
        }
        outcome
    }

    async fn reset(&self, who: (HeaderName, HeaderValue)) -> Result<(), String> {
        let path = format!("/redfish/v1/Systems/{}/Actions/ComputerSystem.Reset", self.system);
        let order = serde_json::json!({ "ResetType": "On" });
        self.ask(Method::POST, &path, Some(who), Some(&order)).await.map(drop)
    }

    /// Asks, and takes every answer but a success as a refusal: no redirection is followed, with a password in our hands.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        who: Option<(HeaderName, HeaderValue)>,
        body: Option<&serde_json::Value>,
    ) -> Result<Response<Bytes>, String> {
        let body = body.map_or_else(String::new, serde_json::Value::to_string);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| error.to_string())?;
        request.headers_mut().extend(who);
        let answer = send(&self.base, self.tls.as_ref(), request).await?;
        match answer.status().is_success() {
            true => Ok(answer),
            false => Err(format!("it answers {}{}", answer.status(), reason(answer.body()))),
        }
    }
}

/// What a BMC says of its refusal, if that can be understood.
fn reason(body: &[u8]) -> String {
    let parsed: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let error = &parsed["error"];
    let text = error["@Message.ExtendedInfo"][0]["Message"]
        .as_str()
        .or(error["message"].as_str());
    let short = |text: &str| text.chars().filter(|c| !c.is_control()).take(200).collect::<String>();
    text.map_or_else(String::new, |text| format!(": {}", short(text)))
}

fn warn_if_open(path: &Path) {
    if std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o077 != 0) {
        let file = path.display();
        tracing::warn!("other users can read the password in {file}; chmod 600 {file}");
    }
}
