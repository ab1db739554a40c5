//! The one endpoint of the local AWS: a plain function from request to response that routes by the
//! service name in the SigV4 credential scope, lays faults on calls, and keeps a log of them.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use parking_lot::Mutex;

use async_trait::async_trait;
use clock::Clock;
use jiff::Timestamp;

use crate::{
    faults::{Fault, Faults, Key, Killer, Kind, as_task_failure, failed_function},
    http::{Caller, Endpoint, Request, Response, Session, respond},
    iam::Iam,
    outside::Outside,
};

pub struct Gateway {
    clock: Clock,
    services: OnceLock<BTreeMap<&'static str, Arc<dyn Endpoint>>>,
    killer: OnceLock<Killer>,
    /// Everything is allowed without.
    iam: OnceLock<Arc<Iam>>,
    /// Who is not signed calls no service of AWS.
    outside: OnceLock<Arc<Outside>>,
    faults: Faults,
    limits: Mutex<Vec<Limit>>,
    calls: Mutex<Vec<Call>>,
    observer: OnceLock<Observer>,
}

/// How many calls a service takes of an account: a bucket of tokens that fills steadily
/// (https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html).
#[derive(Debug)]
struct Limit {
    service: &'static str,
    burst: f64,
    per_second: f64,
    /// By account: what is left, and as of when.
    left: BTreeMap<String, (f64, Timestamp)>,
}

/// Is called after each call, with what was answered.
pub type Observer = Box<dyn Fn(&Call, &Response) + Send + Sync>;

/// One call, for the tests that ask who did what.
#[derive(Debug, Clone)]
pub struct Call {
    pub at: Timestamp,
    pub principal: String,
    pub account: String,
    pub service: String,
    pub action: String,
    /// What a call of RDS or Step Functions was about: its body.
    pub form: String,
    pub status: u16,
}

impl Call {
    /// Does it change anything? By AWS's verbs.
    pub fn mutates(&self) -> bool {
        !["Describe", "Get", "List", "Head", "Download", "Invoke", "Assume", "SendTask", "Validate"]
            .iter()
            .any(|verb| self.action.starts_with(verb))
    }
}

/// The answer was lost on its way: the socket breaks the connection, the in-process client reports
/// a time-out.
#[derive(Debug, Clone, Copy)]
pub struct Lost;

impl Gateway {
    pub fn new(clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            clock,
            services: OnceLock::new(),
            killer: OnceLock::new(),
            iam: OnceLock::new(),
            outside: OnceLock::new(),
            faults: Faults::default(),
            limits: Mutex::default(),
            calls: Mutex::default(),
            observer: OnceLock::new(),
        })
    }

    /// The services need the gateway, and the gateway the services: they are put in once, before
    /// the first call.
    pub fn connect(&self, services: BTreeMap<&'static str, Arc<dyn Endpoint>>, killer: Killer) {
        let connected = self.services.set(services).is_ok() && self.killer.set(killer).is_ok();
        assert!(connected, "a gateway is connected once");
    }

    /// From now on the policies decide.
    pub fn enforce(&self, iam: Arc<Iam>) {
        assert!(self.iam.set(iam).is_ok(), "policies are enforced once");
    }

    /// From now on requests without a signature go to what there is beside AWS.
    pub fn open(&self, outside: Arc<Outside>) {
        assert!(self.outside.set(outside).is_ok(), "there is one outside");
    }

    pub fn lay(&self, fault: Fault) {
        self.faults.lay(fault);
    }

    /// From now on that sees each call when it is over.
    pub fn observe(&self, observer: Observer) {
        assert!(self.observer.set(observer).is_ok(), "there is one observer");
    }

    /// Takes the faults of some kinds away; answers those of them that have met no call.
    pub fn withdraw(&self, which: impl Fn(Kind) -> bool) -> Vec<String> {
        self.faults.withdraw(which)
    }

    /// The faults that were laid and have met no call.
    pub fn unfired(&self) -> Vec<String> {
        self.faults.unfired()
    }

    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().clone()
    }

    /// The calls so far, and forgets them: those of a month do not fit into memory.
    pub fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut *self.calls.lock())
    }

    /// From now on the service throttles what is more than that, account by account.
    pub fn limit(&self, service: &'static str, burst: u32, per_second: f64) {
        let limit = Limit { service, burst: f64::from(burst), per_second, left: BTreeMap::new() };
        self.limits.lock().push(limit);
    }

    fn is_too_much(&self, caller: &Caller) -> bool {
        let now = self.clock.now();
        let mut limits = self.limits.lock();
        let Some(limit) = limits.iter_mut().find(|limit| limit.service == caller.service) else {
            return false;
        };
        let (left, since) = limit.left.entry(caller.account.clone()).or_insert((limit.burst, now));
        let filled = now.duration_since(*since).as_secs_f64() * limit.per_second;
        (*left, *since) = ((*left + filled).min(limit.burst), now);
        let is_too_much = *left < 1.0;
        *left -= if is_too_much { 0.0 } else { 1.0 };
        is_too_much
    }

    fn log(&self, caller: &Caller, action: &str, body: &[u8], response: &Response) {
        let is_told = ["rds", "states"].contains(&caller.service.as_str());
        let form = if is_told { String::from_utf8_lossy(body).into_owned() } else { String::new() };
        let call = Call {
            at: self.clock.now(),
            principal: caller.principal.clone(),
            account: caller.account.clone(),
            service: caller.service.clone(),
            action: action.to_owned(),
            form,
            status: response.status().as_u16(),
        };
        tracing::debug!(?call);
        self.calls.lock().push(call.clone());
        if let Some(observer) = self.observer.get() {
            observer(&call, response);
        }
    }

    async fn forward(&self, caller: &Caller, action: &str, request: Request) -> Response {
        if let Some(refusal) = self.iam.get().and_then(|iam| iam.refusal(caller, action, &request)) {
            return refusal;
        }
        match self.services.get().and_then(|services| services.get(caller.service.as_str())) {
            Some(service) => service.call(request).await,
            None => respond(501, "text/plain", format!("the sandbox has no service {:?}", caller.service)),
        }
    }

    /// A call whose fault waits until what is called has done its work.
    async fn forward_and_spoil(
        &self,
        caller: &Caller,
        action: &str,
        key: &Key,
        request: Request,
    ) -> Response {
        let response = self.forward(caller, action, request.clone()).await;
        if !response.status().is_success() || response.headers().contains_key("x-amz-function-error") {
            return response;
        }
        match self.faults.when_done(caller, action, key) {
            Some(Kind::Twice) => self.forward(caller, action, request).await,
            Some(Kind::TimeoutAfter) => lost(),
            Some(Kind::Fail(error)) => failed_function(error),
            _ => response,
        }
    }

    fn kill(&self, principal: &str) {
        if let Some(killer) = self.killer.get() {
            killer(principal);
        }
    }
}

#[async_trait]
impl Endpoint for Gateway {
    async fn call(&self, mut request: Request) -> Response {
        let Some(caller) = request.extensions().get().cloned().or_else(|| caller(&request)) else {
            if let Some(outside) = self.outside.get().filter(|outside| outside.knows(&request)) {
                return outside.call(request).await;
            }
            return respond(
                403,
                "text/plain",
                "the request is not signed: the sandbox routes by the credential scope",
            );
        };
        request.extensions_mut().insert(caller.clone());
        let action = action(&caller.service, &request);
        let key = (
            format!("{}:{}", caller.account, caller.service),
            request.uri().to_string(),
            request.body().clone(),
        );
        let laid = self.faults.next(&caller, &action, &key);
        let throttled = laid.is_none() && self.is_too_much(&caller);
        let response = match laid.or(throttled.then_some(Kind::Throttle)) {
            None if self.faults.awaits(&caller, &action, &key) => {
                self.forward_and_spoil(&caller, &action, &key, request).await
            }
            None | Some(Kind::Twice) => self.forward(&caller, &action, request).await,
            Some(Kind::Fail(error)) if action == "SendTaskSuccess" => {
                self.forward(&caller, "SendTaskFailure", as_task_failure(request, error)).await
            }
            Some(Kind::Fail(error)) => failed_function(error),
            Some(kind @ (Kind::Throttle | Kind::ServerError | Kind::Denied)) => {
                kind.answer(&caller.service, &action)
            }
            Some(Kind::TimeoutBefore) => lost(),
            Some(Kind::TimeoutAfter) => {
                self.forward(&caller, &action, request).await;
                lost()
            }
            Some(Kind::Stale) => match self.faults.earlier(&key) {
                Some(response) => response,
                None => self.forward(&caller, &action, request).await,
            },
            Some(Kind::KillBefore) => {
                self.kill(&caller.principal);
                lost()
            }
            Some(Kind::KillAfter) => {
                self.forward(&caller, &action, request).await;
                self.kill(&caller.principal);
                lost()
            }
        };
        self.log(&caller, &action, &key.2, &response);
        self.faults.remember(key, &response);
        response
    }
}

fn lost() -> Response {
    let mut response = respond(504, "text/plain", "lost");
    response.extensions_mut().insert(Lost);
    response
}

/// `Authorization: AWS4-HMAC-SHA256 Credential=AKID/20261125/eu-west-1/rds/aws4_request, …`, or the
/// same in a presigned query.
fn caller(request: &Request) -> Option<Caller> {
    let header = |name: &str| request.headers().get(name).and_then(|header| header.to_str().ok());
    let signed = |name: &str| {
        url::form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes())
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.into_owned())
    };
    let scope = match header("authorization") {
        Some(header) => header.split("Credential=").nth(1)?.split(',').next()?.to_owned(),
        None => signed("X-Amz-Credential")?,
    };
    let token = header("x-amz-security-token").map(str::to_owned).or_else(|| signed("X-Amz-Security-Token"));
    let mut parts = scope.trim().split('/');
    let (principal, _date, region, service) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    // The token that STS hands out is role, session and, in hexadecimal, the session policy.
    let session = token.as_deref().and_then(|token| {
        let mut parts = token.split('/').map(str::to_owned);
        let (role, name) = (parts.next()?, parts.next()?);
        let policy = parts.next().and_then(|policy| String::from_utf8(hex::decode(policy).ok()?).ok());
        Some(Session { role, name, policy, service: None })
    });
    Some(Caller { session, ..Caller::of_key(principal, region, service) })
}

/// `GET /<bucket>?location`
fn is_location(request: &Request) -> bool {
    request
        .uri()
        .query()
        .is_some_and(|query| query.split('&').any(|part| part.split('=').next() == Some("location")))
}

/// The API's name of the call.
fn action(service: &str, request: &Request) -> String {
    match service {
        "ec2" | "rds" | "sts" => url::form_urlencoded::parse(request.body())
            .find(|(name, _)| name == "Action")
            .map(|(_, action)| action.into_owned())
            .unwrap_or_default(),
        "s3" => {
            let object = request.uri().path().trim_matches('/').contains('/');
            let verb = match request.method().as_str() {
                "GET" if !object && is_location(request) => return "GetBucketLocation".to_owned(),
                "GET" if !object => return "ListObjectsV2".to_owned(),
                "PUT" if !object => return "CreateBucket".to_owned(),
                "GET" => "GetObject",
                "PUT" => "PutObject",
                "DELETE" => "DeleteObject",
                _ => "HeadObject",
            };
            verb.to_owned()
        }
        "lambda" => if request.method() == http::Method::POST { "Invoke" } else { "GetFunction" }.to_owned(),
        _ => {
            let target = request
                .headers()
                .get("x-amz-target")
                .and_then(|target| target.to_str().ok())
                .unwrap_or_default();
            target.rsplit('.').next().unwrap_or_default().to_owned()
        }
    }
}
