use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::error::ProvideErrorMetadata;

use super::*;

/// Hands the SDK's requests to the service.
#[derive(Debug, Clone)]
struct Connector(Handle);

#[derive(Clone)]
struct Handle(Arc<S3>);

impl std::fmt::Debug for Handle {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("S3")
    }
}

impl aws_smithy_runtime_api::client::http::HttpConnector for Connector {
    fn call(
        &self,
        request: aws_smithy_runtime_api::client::orchestrator::HttpRequest,
    ) -> aws_smithy_runtime_api::client::http::HttpConnectorFuture {
        let service = self.0.0.clone();
        aws_smithy_runtime_api::client::http::HttpConnectorFuture::new(async move {
            let (parts, body) = request.try_into_http1x().unwrap().into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let response = service.call(http::Request::from_parts(parts, body)).await;
            Ok(response.map(aws_smithy_types::body::SdkBody::from).try_into().unwrap())
        })
    }
}

fn client(service: &Arc<S3>) -> aws_sdk_s3::Client {
    let connector =
        aws_smithy_runtime_api::client::http::SharedHttpConnector::new(Connector(Handle(service.clone())));
    let http_client = aws_smithy_runtime_api::client::http::http_client_fn(move |_, _| connector.clone());
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::from_static("eu-west-1"))
        .credentials_provider(Credentials::new("take-snapshot", "any", None, None, "test"))
        .endpoint_url("http://s3.test")
        .force_path_style(true)
        .http_client(http_client);
    aws_sdk_s3::Client::from_conf(config.build())
}

async fn with_bucket() -> (Arc<S3>, aws_sdk_s3::Client) {
    let service = S3::new(Clock::System);
    let client = client(&service);
    client.create_bucket().bucket("runs").send().await.unwrap();
    client.head_bucket().bucket("runs").send().await.unwrap();
    (service, client)
}

#[tokio::test]
async fn what_was_put_is_got_listed_and_deleted() {
    let (service, client) = with_bucket().await;
    for key in ["a/one.json", "a/two.json", "a/b/three.json", "c.json"] {
        client
            .put_object()
            .bucket("runs")
            .key(key)
            .content_type("application/json")
            .body(key.as_bytes().to_vec().into())
            .send()
            .await
            .unwrap();
    }
    let object = client.get_object().bucket("runs").key("a/one.json").send().await.unwrap();
    assert_eq!(object.content_type(), Some("application/json"));
    assert_eq!(object.body.collect().await.unwrap().into_bytes(), "a/one.json");
    assert_eq!(service.get("runs", "a/one.json").unwrap(), "a/one.json");
    let head = client.head_object().bucket("runs").key("c.json").send().await.unwrap();
    assert_eq!(head.content_length(), Some(6));

    let list = client.list_objects_v2().bucket("runs").prefix("a/").delimiter("/").send().await.unwrap();
    assert_eq!(
        list.contents().iter().map(|object| object.key().unwrap()).collect::<Vec<_>>(),
        ["a/one.json", "a/two.json"]
    );
    assert_eq!(list.common_prefixes()[0].prefix(), Some("a/b/"));
    let mut pages = client.list_objects_v2().bucket("runs").max_keys(1).into_paginator().send();
    let mut keys = Vec::new();
    while let Some(page) = pages.next().await {
        keys.extend(page.unwrap().contents.unwrap().into_iter().map(|object| object.key.unwrap()));
    }
    assert_eq!(keys, service.list("runs", ""));

    client.delete_object().bucket("runs").key("c.json").send().await.unwrap();
    let error = client.get_object().bucket("runs").key("c.json").send().await.unwrap_err();
    assert_eq!(error.code(), Some("NoSuchKey"));
    let error = client.head_object().bucket("runs").key("c.json").send().await.unwrap_err();
    assert!(error.into_service_error().is_not_found());
    let error = client.get_object().bucket("other").key("c.json").send().await.unwrap_err();
    assert_eq!(error.code(), Some("NoSuchBucket"));

    let folder = std::env::temp_dir().join(format!("sandbox-s3-{}", std::process::id()));
    service.dump(&folder).unwrap();
    assert_eq!(std::fs::read_to_string(folder.join("runs/a/b/three.json")).unwrap(), "a/b/three.json");
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_twenty_writers_of_a_new_key_exactly_one_wins() {
    let (service, client) = with_bucket().await;
    let writers = (0..20).map(|writer: usize| {
        let put = client
            .put_object()
            .bucket("runs")
            .key("lease")
            .if_none_match("*")
            .body(writer.to_string().into_bytes().into());
        tokio::spawn(async move { put.send().await.map_err(|error| error.code().unwrap().to_owned()) })
    });
    let outcomes = futures::future::join_all(writers).await;
    let winners: Vec<_> = outcomes
        .iter()
        .enumerate()
        .filter(|(_, outcome)| outcome.as_ref().unwrap().is_ok())
        .map(|(writer, _)| writer)
        .collect();
    assert_eq!(winners.len(), 1);
    assert_eq!(service.get("runs", "lease").unwrap(), winners[0].to_string());
    let losers = outcomes.into_iter().filter_map(|outcome| outcome.unwrap().err());
    assert!(losers.eq(["PreconditionFailed"; 19]));
}

#[tokio::test]
async fn an_object_is_replaced_and_deleted_only_by_who_knows_its_etag() {
    let (_, client) = with_bucket().await;
    let put = |etag: &str| {
        client
            .put_object()
            .bucket("runs")
            .key("lease")
            .if_match(etag)
            .body(etag.as_bytes().to_vec().into())
            .send()
    };
    let error = put("\"unknown\"").await.unwrap_err();
    assert_eq!((error.raw_response().unwrap().status().as_u16(), error.code()), (404, Some("NoSuchKey")));
    let first = client.put_object().bucket("runs").key("lease").send().await.unwrap().e_tag.unwrap();
    let second = put(&first).await.unwrap().e_tag.unwrap();
    assert_ne!(first, second);
    let error = put(&first).await.unwrap_err();
    assert_eq!(
        (error.raw_response().unwrap().status().as_u16(), error.code()),
        (412, Some("PreconditionFailed"))
    );
    let delete = |etag: &str| client.delete_object().bucket("runs").key("lease").if_match(etag).send();
    assert_eq!(delete(&first).await.unwrap_err().code(), Some("PreconditionFailed"));
    delete(&second).await.unwrap();
}

#[tokio::test]
async fn a_part_of_an_object_is_read_by_its_range() {
    let (_, client) = with_bucket().await;
    client.put_object().bucket("runs").key("a").body(b"0123456789".to_vec().into()).send().await.unwrap();
    let get = async |range: &str| {
        let got = client.get_object().bucket("runs").key("a").range(range).send().await.unwrap();
        let told = got.content_range.clone().unwrap_or_default();
        (told, String::from_utf8(got.body.collect().await.unwrap().to_vec()).unwrap())
    };
    assert_eq!(get("bytes=2-4").await, ("bytes 2-4/10".to_owned(), "234".to_owned()));
    assert_eq!(get("bytes=8-20").await, ("bytes 8-9/10".to_owned(), "89".to_owned()));
    assert_eq!(get("bytes=7-").await, ("bytes 7-9/10".to_owned(), "789".to_owned()));
    assert_eq!(get("bytes=-3").await, ("bytes 7-9/10".to_owned(), "789".to_owned()));
    let beyond = client.get_object().bucket("runs").key("a").range("bytes=10-").send().await.unwrap_err();
    let status = beyond.raw_response().unwrap().status().as_u16();
    assert_eq!((status, beyond.code()), (416, Some("InvalidRange")));
    let location = client.get_bucket_location().bucket("runs").send().await.unwrap();
    assert_eq!(location.location_constraint().map(|place| place.as_str()), Some("eu-west-1"));
}
