//! What the role, the caller and the readers of an export have to be allowed.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_task_fails_in_the_guides_words_when_its_role_may_not_write() {
    for (without, cause) in [
        ("s3:PutObject", "isn't authorized to call s3:PutObject on the S3 bucket lake."),
        ("s3:GetObject", "isn't authorized to call s3:GetObject on the S3 bucket lake."),
        ("s3:DeleteObject", "isn't authorized to call s3:DeleteObject on the S3 bucket lake."),
        ("kms", "Error code: AccessDenied"),
    ] {
        let mut world = world_with(rights(without), SERVICE, json!([])).await;
        let ended = world.export(&[]).await;
        assert_eq!(ended.text("Status"), "FAILED", "{without}");
        let told = ended.text("FailureCause").replace("&apos;", "'");
        assert!(told.contains(cause), "{without}: {told}");
        assert!(world.events().iter().any(|event| event["detail"]["EventID"] == "RDS-EVENT-0162"));
    }
    for without in ["s3:GetBucketLocation", "s3:ListBucket"] {
        let world = world_with(rights(without), SERVICE, json!([])).await;
        let refused = world.sandbox.refused("StartExportTask", &form(&[])).await;
        assert_eq!(refused.0, "IamRoleMissingPermissions", "{without}");
    }
    let world = world_with(rights(""), "rds.amazonaws.com", json!([])).await;
    let refused = world.sandbox.refused("StartExportTask", &form(&[])).await;
    assert_eq!(refused.0, "IamRoleNotFound", "a role that trusts another service");
}

#[tokio::test(start_paused = true)]
async fn who_starts_a_task_may_pass_the_role_and_lend_the_key() {
    let all = ["rds:StartExportTask", "iam:PassRole", "kms:CreateGrant", "kms:DescribeKey"];
    for without in ["", "rds:StartExportTask", "iam:PassRole", "kms:CreateGrant", "kms:DescribeKey"] {
        let actions: Vec<&str> = all.into_iter().filter(|action| *action != without).collect();
        let caller = json!([{"Effect": "Allow", "Action": actions, "Resource": "*"}]);
        let world = world_with(rights(""), SERVICE, caller).await;
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.append_pair("Action", "StartExportTask").append_pair("Version", "2014-10-31");
        let mut request = Request::new(body.extend_pairs(form(&[])).finish().into());
        request.extensions_mut().insert(Caller::home("export-snapshot", "rds"));
        let status = world.gateway.call(request).await.status().as_u16();
        let expected = match without {
            "" => 200,
            _ if without.starts_with("kms:") => 400,
            _ => 403,
        };
        assert_eq!(status, expected, "without {without}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_reads_a_file_needs_the_key_of_the_export() {
    for (actions, expected) in [(json!(["s3:GetObject"]), 403), (json!(["s3:GetObject", "kms:Decrypt"]), 200)]
    {
        let reader = json!([{"Effect": "Allow", "Action": actions, "Resource": "*"}]);
        let world = world_with(rights(""), SERVICE, reader).await;
        world.export(&[]).await;
        let mut request = Request::new(bytes::Bytes::new());
        *request.uri_mut() = "/lake/export-1/export_info_export-1.json".parse().unwrap();
        request.headers_mut().insert("host", "s3.test".parse().unwrap());
        request.extensions_mut().insert(Caller::home("export-snapshot", "s3"));
        assert_eq!(world.gateway.call(request).await.status().as_u16(), expected);
    }
}
