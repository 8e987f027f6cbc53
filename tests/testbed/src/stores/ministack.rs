//! ministack: accounts, roles to assume, and S3 with everything that versitygw can't do. It keeps nothing.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use super::{REGION, StoreKeys, s3_client};
use crate::error::{Error, Result};
use crate::process::Process;
use crate::programs;
use crate::registry::Run;
use crate::wait::eventually;

/// A running ministack.
#[derive(Debug)]
pub struct Ministack {
    host: String,
    port: u16,
    process: Process,
}

impl Ministack {
    /// Starts one on 127.0.0.1 that belongs to `run`, and that asks who may do what.
    ///
    /// # Errors
    /// It can't be installed, or does not come up.
    pub async fn start_in(run: &Arc<Run>) -> Result<Self> {
        let installed = tokio::task::spawn_blocking(programs::stores::ministack);
        let program = installed.await.map_err(|error| Error::Invalid(error.to_string()))??;
        let (host, port) = ("127.0.0.1", run.port()?);
        let folder = run.folder(&format!("ministack-{port}"))?;
        let mut command = Command::new(program);
        // Whatever this machine is told about AWS is not for it.
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_")) {
            command.env_remove(name);
        }
        command.current_dir(&folder).env("HOME", &folder);
        command.env("AUTH", "true").env("BIND_HOST", host).env("GATEWAY_PORT", port.to_string());
        command.env("IOT_MTLS_ENABLED", "0");
        let process = Process::start(run, &format!("ministack-{port}"), command)?;
        let store = Self { host: host.into(), port, process };
        eventually(Duration::from_secs(60), "ministack to answer", || async {
            store.process.check().map_err(|error| error.to_string())?;
            store.get("/_ministack/health").await.map(drop).map_err(|error| error.to_string())
        })
        .await?;
        Ok(store)
    }

    /// `http://HOST:PORT`, of S3, STS and IAM alike.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}:{}", self.host, self.port)
    }

    /// Who may do everything in an account of twelve digits; its requests are not checked.
    #[must_use]
    pub fn root(&self, account: &str) -> StoreKeys {
        StoreKeys::new(account, "root")
    }

    /// A client of an account's root.
    #[must_use]
    pub fn client(&self, account: &str) -> aws_sdk_s3::Client {
        s3_client(&self.url(), &self.root(account))
    }

    /// Makes a user with a policy (JSON); its requests are checked.
    ///
    /// # Errors
    /// ministack refuses.
    pub async fn user(&self, account: &str, name: &str, policy: &str) -> Result<StoreKeys> {
        self.iam(account, "CreateUser", &[("UserName", name)]).await?;
        let put = [("UserName", name), ("PolicyName", "all"), ("PolicyDocument", policy)];
        self.iam(account, "PutUserPolicy", &put).await?;
        let said = self.iam(account, "CreateAccessKey", &[("UserName", name)]).await?;
        let id = between(&said, "<AccessKeyId>", "</AccessKeyId>");
        let secret = between(&said, "<SecretAccessKey>", "</SecretAccessKey>");
        match (id, secret) {
            (Some(id), Some(secret)) => Ok(StoreKeys::new(id, secret)),
            _ => Err(Error::Invalid(format!("ministack told no key: {said}"))),
        }
    }

    /// Makes a role with a trust policy and a policy (both JSON); returns its ARN.
    ///
    /// # Errors
    /// ministack refuses.
    pub async fn role(&self, account: &str, name: &str, trust: &str, policy: &str) -> Result<String> {
        let make = [("RoleName", name), ("AssumeRolePolicyDocument", trust)];
        self.iam(account, "CreateRole", &make).await?;
        let put = [("RoleName", name), ("PolicyName", "all"), ("PolicyDocument", policy)];
        self.iam(account, "PutRolePolicy", &put).await?;
        Ok(format!("arn:aws:iam::{account}:role/{name}"))
    }

    /// An operator in one account, and in another a role that it alone may assume, with this word of the trust's, and that
    /// may do everything to one bucket. Returns the operator's keys and the role's ARN.
    ///
    /// # Errors
    /// ministack refuses.
    pub async fn trusted(
        &self,
        (operator, owner): (&str, &str),
        external: &str,
        bucket: &str,
    ) -> Result<(StoreKeys, String)> {
        let may = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}]}"#;
        let keys = self.user(operator, "tenantry", may).await?;
        let trust = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{operator}:user/tenantry"}},"Action":"sts:AssumeRole","Condition":{{"StringEquals":{{"sts:ExternalId":"{external}"}}}}}}]}}"#
        );
        let role = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"s3:*","Resource":["arn:aws:s3:::{bucket}","arn:aws:s3:::{bucket}/*"]}}]}}"#
        );
        let arn = self.role(owner, "tenantry-backup", &trust, &role).await?;
        Ok((keys, arn))
    }

    /// Everything it wrote so far.
    #[must_use]
    pub fn logs(&self) -> String {
        self.process.logs()
    }

    async fn get(&self, path: &str) -> Result<String> {
        let request = http::Request::get(format!("{}{path}", self.url())).body(Full::default());
        self.ask(request).await
    }

    /// A call to IAM as an account's root, whose signature nobody checks.
    async fn iam(&self, account: &str, action: &str, fields: &[(&str, &str)]) -> Result<String> {
        let mut body = format!("Action={action}&Version=2010-05-08");
        for (name, value) in fields {
            body.push_str(&format!("&{name}={}", encoded(value)));
        }
        let signed = format!(
            "AWS4-HMAC-SHA256 Credential={account}/20260101/{REGION}/iam/aws4_request, SignedHeaders=host, Signature=0"
        );
        let request = http::Request::post(format!("{}/", self.url()))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("authorization", signed)
            .body(Full::new(Bytes::from(body)));
        self.ask(request).await
    }

    async fn ask(&self, request: http::Result<http::Request<Full<Bytes>>>) -> Result<String> {
        let failed = |error: &dyn std::fmt::Display| Error::Invalid(format!("ministack: {error}"));
        let request = request.map_err(|error| failed(&error))?;
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let whole = async {
            let answer = client.request(request).await.map_err(|error| failed(&error))?;
            let good = answer.status().is_success();
            let body = answer.into_body().collect().await.map_err(|error| failed(&error))?;
            let said = String::from_utf8_lossy(&body.to_bytes()).into_owned();
            if good { Ok(said) } else { Err(failed(&said)) }
        };
        let late = |_| failed(&"no answer within 20 s");
        tokio::time::timeout(Duration::from_secs(20), whole).await.map_err(late)?
    }
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    text.split_once(start)?.1.split_once(end).map(|(value, _)| value)
}

fn encoded(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(byte);
    text.bytes()
        .map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
