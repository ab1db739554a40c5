//! Security groups, as EC2 shows them: one call of an API of which nothing else is needed. The
//! SDK's crate of EC2 is its largest, so the call is made with the runtime that the other clients
//! are built on: their credentials, signature, retries and time-outs.

use aws_config::SdkConfig;
use aws_runtime::{
    auth::{SigV4OperationSigningConfig, sigv4},
    retries::classifiers::AwsErrorCodeClassifier,
};
use aws_smithy_query::QueryWriter;
use aws_smithy_runtime::client::{
    identity::IdentityCache,
    orchestrator::operation::Operation,
    retries::classifiers::{HttpStatusCodeClassifier, TransientErrorClassifier},
};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        auth::{
            AuthSchemeOptionResolverParams, SharedAuthScheme, SharedAuthSchemeOptionResolver,
            static_resolver::StaticAuthSchemeOptionResolver,
        },
        orchestrator::{HttpRequest, HttpResponse, OrchestratorError},
        result::SdkError,
        runtime_components::RuntimeComponentsBuilder,
        runtime_plugin::StaticRuntimePlugin,
    },
};
use aws_smithy_types::{
    body::SdkBody, config_bag::Layer, error::ErrorMetadata, retry::RetryConfig, timeout::TimeoutConfig,
};
use aws_types::{SigningName, region::SigningRegion};
use roxmltree::{Document, Node};

use crate::{
    Context, Error, Result,
    error::{Then, aws},
};

const ACTION: &str = "ec2:DescribeSecurityGroups";

/// botocore ec2 2016-11-15, SecurityGroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityGroup {
    pub id: String,
    /// Who may come in.
    pub inbound: Vec<Rule>,
    /// Where what has the group may go by itself.
    pub outbound: Vec<Rule>,
}

/// botocore ec2 2016-11-15, IpPermission: one protocol, one range of ports, and everybody for whom
/// it is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// `tcp`, `udp`, …, a number, or `-1` for all.
    pub protocol: String,
    /// None of a protocol without ports.
    pub ports: Option<(i32, i32)>,
    /// Never empty.
    pub peers: Vec<Peer>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// What has that security group.
    Group(String),
    /// Addresses, a prefix list, or what EC2 may call otherwise one day.
    Other(String),
}

pub async fn security_group(cx: &Context, id: &str) -> Result<SecurityGroup> {
    let xml = match describe(cx.sdk_config(), id).await {
        Ok(xml) => xml,
        // https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
        Err(SdkError::ServiceError(refused))
            if matches!(refused.err().code(), Some("InvalidGroup.NotFound" | "InvalidGroupId.Malformed")) =>
        {
            let said = refused.err().message().unwrap_or_default().to_owned();
            return Err(Error::refused(format!("EC2 does not know the security group {id}: {said}"))
                .fix("name one of this account and Region")
                .then(Then::StartAgain));
        }
        Err(error) => return Err(aws(ACTION)(error)),
    };
    let groups = read(&xml).map_err(|what| Error::unexpected(format!("{ACTION}: {what}")))?;
    let mut groups = groups.into_iter().filter(|group| group.id == id);
    match (groups.next(), groups.next()) {
        (Some(group), None) => Ok(group),
        _ => Err(Error::unexpected(format!("{ACTION}: the answer is not the group {id}"))),
    }
}

/// The answer as EC2 wrote it. AWS_ENDPOINT_URL is heeded, AWS_ENDPOINT_URL_EC2 is not.
async fn describe(
    config: &SdkConfig,
    id: &str,
) -> std::result::Result<String, SdkError<ErrorMetadata, HttpResponse>> {
    let (Some(region), Some(credentials)) = (config.region(), config.credentials_provider()) else {
        return Err(SdkError::construction_failure("no Region or no credentials are set up"));
    };
    let endpoint = match config.endpoint_url() {
        Some(url) => url.to_owned(),
        None => format!("https://ec2.{region}.amazonaws.com"),
    };

    let mut signing = Layer::new("ec2");
    signing.store_put(SigV4OperationSigningConfig {
        region: Some(SigningRegion::from(region.clone())),
        name: Some(SigningName::from_static("ec2")),
        ..SigV4OperationSigningConfig::default()
    });
    signing.store_put(AuthSchemeOptionResolverParams::new(()));
    let mut signer = RuntimeComponentsBuilder::new("ec2")
        .with_auth_scheme(SharedAuthScheme::new(sigv4::SigV4AuthScheme::new()))
        .with_auth_scheme_option_resolver(Some(SharedAuthSchemeOptionResolver::new(
            StaticAuthSchemeOptionResolver::new(vec![sigv4::SCHEME_ID]),
        )));
    signer.set_identity_resolver(sigv4::SCHEME_ID, credentials);
    signer.set_identity_cache(Some(config.identity_cache().unwrap_or_else(|| IdentityCache::lazy().build())));

    let mut operation = Operation::builder()
        .service_name("EC2")
        .operation_name("DescribeSecurityGroups")
        .endpoint_url(&endpoint)
        .standard_retry(&config.retry_config().cloned().unwrap_or_else(RetryConfig::standard))
        .retry_classifier(TransientErrorClassifier::<ErrorMetadata>::new())
        .retry_classifier(HttpStatusCodeClassifier::default())
        .retry_classifier(AwsErrorCodeClassifier::<ErrorMetadata>::new())
        .timeout_config(config.timeout_config().cloned().unwrap_or_else(TimeoutConfig::disabled))
        .runtime_plugin(
            StaticRuntimePlugin::new().with_config(signing.freeze()).with_runtime_components(signer),
        );
    // The SDK's own when there is none; only the sandbox sets another.
    if let Some(client) = config.http_client() {
        operation = operation.http_client(client);
    }
    if let Some(version) = config.behavior_version() {
        operation = operation.behavior_version(version);
    }
    if let Some(time) = config.time_source() {
        operation = operation.time_source(time);
    }
    if let Some(sleep) = config.sleep_impl() {
        operation = operation.sleep_impl(sleep);
    }
    operation.serializer(request).deserializer(answer).build().invoke(id.to_owned()).await
}

/// https://smithy.io/2.0/aws/protocols/aws-ec2-query-protocol.html
fn request(id: String) -> std::result::Result<HttpRequest, BoxError> {
    let mut form = String::new();
    let mut writer = QueryWriter::new(&mut form, "DescribeSecurityGroups", "2016-11-15");
    let mut ids = writer.prefix("GroupId").start_list(true, None);
    ids.entry().string(&id);
    ids.finish();
    writer.finish();
    let mut request = HttpRequest::new(SdkBody::from(form));
    request.set_method("POST")?;
    request.set_uri("/")?;
    request.headers_mut().insert("content-type", "application/x-www-form-urlencoded");
    Ok(request)
}

fn answer(response: &HttpResponse) -> std::result::Result<String, OrchestratorError<ErrorMetadata>> {
    let text = String::from_utf8_lossy(response.body().bytes().unwrap_or_default()).into_owned();
    if response.status().is_success() {
        return Ok(text);
    }
    let document = Document::parse(&text).ok();
    let said = |name: &str| {
        let mut nodes = document.iter().flat_map(|document| document.descendants());
        nodes.find(|node| node.has_tag_name(name)).and_then(|node| node.text())
    };
    let mut error = ErrorMetadata::builder();
    if let Some(code) = said("Code") {
        error = error.code(code);
    }
    if let Some(message) = said("Message") {
        error = error.message(message);
    }
    Err(OrchestratorError::operation(error.build()))
}

/// What is not there as the model has it is no group without rules: the answer is refused.
fn read(xml: &str) -> std::result::Result<Vec<SecurityGroup>, String> {
    let document = Document::parse(xml).map_err(|error| format!("the answer is no XML: {error}"))?;
    let groups = items(document.root_element(), "securityGroupInfo")?;
    groups
        .into_iter()
        .map(|group| {
            Ok(SecurityGroup {
                id: text(group, "groupId")?,
                inbound: rules(group, "ipPermissions")?,
                outbound: rules(group, "ipPermissionsEgress")?,
            })
        })
        .collect()
}

fn rules(group: Node<'_, '_>, name: &str) -> std::result::Result<Vec<Rule>, String> {
    items(group, name)?.into_iter().map(rule).collect()
}

fn rule(rule: Node<'_, '_>) -> std::result::Result<Rule, String> {
    let mut peers = Vec::new();
    for list in rule.children().filter(Node::is_element) {
        let member = match list.tag_name().name() {
            "ipProtocol" | "fromPort" | "toPort" => continue,
            "groups" => "groupId",
            "ipRanges" => "cidrIp",
            "ipv6Ranges" => "cidrIpv6",
            "prefixListIds" => "prefixListId",
            unknown => {
                peers.push(Peer::Other(format!("{unknown}, which is not known here")));
                continue;
            }
        };
        for item in list.children().filter(Node::is_element) {
            let who = text(item, member)?;
            peers.push(if member == "groupId" { Peer::Group(who) } else { Peer::Other(who) });
        }
    }
    if peers.is_empty() {
        return Err("a rule is for nobody".to_owned());
    }
    let port = |name: &str| text(rule, name).ok().and_then(|port| port.parse().ok());
    Ok(Rule { protocol: text(rule, "ipProtocol")?, ports: port("fromPort").zip(port("toPort")), peers })
}

fn child<'a, 'i>(node: Node<'a, 'i>, name: &str) -> std::result::Result<Node<'a, 'i>, String> {
    let mut children = node.children().filter(|child| child.is_element() && child.has_tag_name(name));
    children.next().ok_or_else(|| format!("{} has no {name}", node.tag_name().name()))
}

fn text(node: Node<'_, '_>, name: &str) -> std::result::Result<String, String> {
    Ok(child(node, name)?.text().unwrap_or_default().to_owned())
}

fn items<'a, 'i>(node: Node<'a, 'i>, name: &str) -> std::result::Result<Vec<Node<'a, 'i>>, String> {
    Ok(child(node, name)?.children().filter(Node::is_element).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: &str = "<item><ipProtocol>-1</ipProtocol><groups/>\
        <ipRanges><item><cidrIp>0.0.0.0/0</cidrIp></item></ipRanges>\
        <ipv6Ranges><item><cidrIpv6>::/0</cidrIpv6></item></ipv6Ranges><prefixListIds/></item>";

    fn of(inbound: &str, outbound: &str) -> std::result::Result<Vec<SecurityGroup>, String> {
        read(&format!(
            "<DescribeSecurityGroupsResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">\
            <requestId>r</requestId><securityGroupInfo><item><ownerId>1</ownerId><groupId>sg-q</groupId>\
            {inbound}{outbound}</item></securityGroupInfo></DescribeSecurityGroupsResponse>"
        ))
    }

    #[test]
    fn a_group_is_read_with_everybody_it_names() {
        let inbound = "<ipPermissions><item><ipProtocol>tcp</ipProtocol><fromPort>5432</fromPort>\
            <toPort>5433</toPort><groups><item><userId>1</userId><groupId>sg-w</groupId></item></groups>\
            <ipRanges/><ipv6Ranges/><prefixListIds><item><prefixListId>pl-1</prefixListId></item>\
            </prefixListIds></item></ipPermissions>";
        let groups = of(inbound, &format!("<ipPermissionsEgress>{OPEN}</ipPermissionsEgress>")).unwrap();
        let [group] = &groups[..] else { panic!("{groups:?}") };
        assert_eq!(group.id, "sg-q");
        let other = |who: &str| Peer::Other(who.to_owned());
        let workers = Peer::Group("sg-w".to_owned());
        assert_eq!(
            group.inbound,
            [Rule { protocol: "tcp".into(), ports: Some((5432, 5433)), peers: vec![workers, other("pl-1")] }]
        );
        assert_eq!(
            group.outbound,
            [Rule { protocol: "-1".into(), ports: None, peers: vec![other("0.0.0.0/0"), other("::/0")] }]
        );
        let closed = of("<ipPermissions/>", "<ipPermissionsEgress/>").unwrap();
        assert!(closed[0].inbound.is_empty() && closed[0].outbound.is_empty());
    }

    #[test]
    fn what_is_not_as_the_model_says_is_no_group_without_rules() {
        assert!(of("<ipPermissions/>", "").unwrap_err().contains("has no ipPermissionsEgress"));
        assert!(of("", "<ipPermissionsEgress/>").unwrap_err().contains("has no ipPermissions"));
        assert!(read("<Response/>").unwrap_err().contains("has no securityGroupInfo"));
        assert!(read("busy").unwrap_err().contains("no XML"));
        let egress = |rule: &str| {
            of("<ipPermissions/>", &format!("<ipPermissionsEgress><item>{rule}</item></ipPermissionsEgress>"))
        };
        assert!(egress("<ipProtocol>-1</ipProtocol><groups/>").unwrap_err().contains("for nobody"));
        let named = "<ipProtocol>-1</ipProtocol><groups><item><groupName>a</groupName></item></groups>";
        assert!(egress(named).unwrap_err().contains("has no groupId"));
        let new = egress("<ipProtocol>-1</ipProtocol><clouds><item/></clouds>").unwrap();
        assert_eq!(new[0].outbound[0].peers, [Peer::Other("clouds, which is not known here".into())]);
    }
}
