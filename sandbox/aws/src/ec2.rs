//! EC2, as far as RDS's security groups go: DescribeSecurityGroups of the groups that decide who
//! reaches a cluster. Model: botocore ec2 2016-11-15; requests and errors
//! https://smithy.io/2.0/aws/protocols/aws-ec2-query-protocol.html.

use std::sync::Arc;

use async_trait::async_trait;
use quick_xml::escape::escape;

use crate::{
    http::{Caller, Endpoint, Request, Response, respond},
    ids::Ids,
    rds::{
        Rds,
        network::{ANYWHERE, SecurityGroup},
    },
};

pub struct Ec2 {
    rds: Arc<Rds>,
    ids: Ids,
}

struct Error {
    code: &'static str,
    message: String,
}

impl Ec2 {
    pub fn new(rds: Arc<Rds>) -> Arc<Self> {
        Arc::new(Self { rds, ids: Ids::new("ec2") })
    }

    fn describe_security_groups(&self, caller: &Caller, form: &[(String, String)]) -> Result<String, Error> {
        let mut ids = Vec::new();
        for (name, value) in form {
            match name.split_once('.') {
                _ if name == "Action" => {}
                _ if name == "Version" && value == "2016-11-15" => {}
                Some(("GroupId", number)) if number.parse::<usize>().is_ok() => ids.push(value.as_str()),
                _ => {
                    let message = format!("The parameter {name} is not recognized");
                    return Err(Error { code: "UnknownParameter", message });
                }
            }
        }
        let mut groups = self.rds.security_groups();
        if let Some(unknown) = ids.iter().find(|id| groups.iter().all(|group| group.id != **id)) {
            // AWS's words: boto/boto3#701.
            let message = format!("The security group '{unknown}' does not exist");
            return Err(Error { code: "InvalidGroup.NotFound", message });
        }
        groups.retain(|group| ids.is_empty() || ids.contains(&group.id.as_str()));
        let items: String = groups.iter().map(|group| describe(caller, group)).collect();
        Ok(format!("<securityGroupInfo>{items}</securityGroupInfo>"))
    }
}

fn describe(caller: &Caller, group: &SecurityGroup) -> String {
    let id = escape(&group.id);
    let inbound: String =
        group.ports.iter().map(|port| permission(caller, "tcp", Some(*port), &group.inbound)).collect();
    format!(
        "<item><ownerId>{}</ownerId><groupId>{id}</groupId><groupName>{id}</groupName>\
        <groupDescription>{id}</groupDescription><vpcId>vpc-sandbox</vpcId>\
        <ipPermissions>{inbound}</ipPermissions>\
        <ipPermissionsEgress>{}</ipPermissionsEgress></item>",
        escape(&caller.account),
        permission(caller, "-1", None, &group.outbound)
    )
}

/// All that the same protocol and ports are open for is one permission; nothing when nobody is.
fn permission(caller: &Caller, protocol: &str, port: Option<u16>, peers: &[String]) -> String {
    if peers.is_empty() {
        return String::new();
    }
    let range =
        port.map_or_else(String::new, |port| format!("<fromPort>{port}</fromPort><toPort>{port}</toPort>"));
    let of = |wanted: bool| peers.iter().filter(move |peer| (*peer == ANYWHERE) == wanted);
    let groups: String = of(false)
        .map(|id| {
            let (account, id) = (escape(&caller.account), escape(id));
            format!("<item><userId>{account}</userId><groupId>{id}</groupId></item>")
        })
        .collect();
    let ranges: String = of(true).map(|cidr| format!("<item><cidrIp>{cidr}</cidrIp></item>")).collect();
    format!(
        "<item><ipProtocol>{protocol}</ipProtocol>{range}<groups>{groups}</groups>\
        <ipRanges>{ranges}</ipRanges><ipv6Ranges/><prefixListIds/></item>"
    )
}

#[async_trait]
impl Endpoint for Ec2 {
    async fn call(&self, request: Request) -> Response {
        let form: Vec<(String, String)> = url::form_urlencoded::parse(request.body()).into_owned().collect();
        let caller = request.extensions().get().cloned().unwrap_or_else(|| Caller::home("anonymous", "ec2"));
        let action = form.iter().find(|(name, _)| name == "Action").map_or("", |(_, value)| value.as_str());
        let result = match action {
            "DescribeSecurityGroups" => self.describe_security_groups(&caller, &form),
            other => Err(Error {
                code: "InvalidAction",
                message: format!("The action {other} is not valid for this web service."),
            }),
        };
        match result {
            Ok(result) => {
                let body = format!("<requestId>{}</requestId>{result}", self.ids.uuid());
                let namespace = "http://ec2.amazonaws.com/doc/2016-11-15/";
                let xml = format!("<{action}Response xmlns=\"{namespace}\">{body}</{action}Response>");
                respond(200, "text/xml", xml)
            }
            Err(Error { code, message }) => refusal(400, code, &message),
        }
    }
}

/// An error in the form of this API, which no other has.
pub fn refusal(status: u16, code: &str, message: &str) -> Response {
    let error = format!("<Error><Code>{code}</Code><Message>{}</Message></Error>", escape(message));
    let id = uuid::Uuid::new_v4();
    respond(
        status,
        "text/xml",
        format!("<Response><Errors>{error}</Errors><RequestID>{id}</RequestID></Response>"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rds::{network::WORKERS, testing::Sandbox};

    async fn post(ec2: &Ec2, body: &str) -> (u16, String) {
        let request = http::Request::post("/").body(body.to_owned().into()).unwrap();
        let response = ec2.call(request).await;
        (response.status().as_u16(), String::from_utf8(response.body().to_vec()).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_shows_who_may_come_in_and_where_it_leads() {
        let sandbox = Sandbox::with_cluster().await;
        let ec2 = Ec2::new(sandbox.rds.clone());
        sandbox.rds.allow("sg-q", WORKERS);
        let ask = "Action=DescribeSecurityGroups&Version=2016-11-15&GroupId.1=sg-q";
        let (status, body) = post(&ec2, ask).await;
        assert_eq!(status, 200);
        let workers = "<ipProtocol>tcp</ipProtocol><fromPort>5432</fromPort><toPort>5432</toPort>\
            <groups><item><userId>444455556666</userId><groupId>sg-workers</groupId></item></groups>";
        assert!(body.contains(workers) && body.contains("<ipPermissionsEgress></ipPermissions"), "{body}");
        sandbox.rds.allow_out("sg-q", ANYWHERE);
        let (_, body) = post(&ec2, ask).await;
        assert!(body.contains("<ipPermissionsEgress><item><ipProtocol>-1</ipProtocol>"), "{body}");
        assert!(body.contains("<cidrIp>0.0.0.0/0</cidrIp>"), "{body}");
        let (status, body) = post(&ec2, "Action=DescribeSecurityGroups&GroupId.1=sg-none").await;
        assert!(status == 400 && body.contains("<Code>InvalidGroup.NotFound</Code>"), "{body}");
        assert_eq!(post(&ec2, "Action=DescribeSecurityGroups&Filter.1.Name=a").await.0, 400);
        assert_eq!(post(&ec2, "Action=RunInstances").await.0, 400);
    }
}
