//! Calls of S3, path-style.

use super::{Call, keys};
use crate::iam::evaluate::Access;

/// The operations' IAM names differ from the API's
/// (https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html).
pub fn accesses(call: &Call<'_>) -> Option<Vec<Access>> {
    let path = call.path();
    let (bucket, key) = path.split_once('/').unwrap_or((&path, ""));
    let object = format!("arn:aws:s3:::{bucket}/{key}");
    let list = || call.access("s3:ListBucket", format!("arn:aws:s3:::{bucket}"));
    // A key of the object's own, else the bucket's
    // (https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html).
    let named = call.request.headers().get("x-amz-server-side-encryption-aws-kms-key-id");
    let own = match named.and_then(|key| key.to_str().ok()) {
        Some(key) => Some(key.to_owned()),
        None if call.operation == "PutObject" => None,
        None => call.world.s3.key_of_object(bucket, key),
    };
    let own = own.and_then(|key| call.world.rds.customer_key(&call.caller.account, &key).or(Some(key)));
    let encryption = own.or_else(|| call.world.s3.key_of(bucket));
    let decrypt = |actions: &[&str]| {
        encryption.as_ref().map(|key| keys::use_of(call, "s3", key, actions)).unwrap_or_default()
    };
    let has = |header: &str| call.request.headers().contains_key(header);
    Some(match call.operation {
        "GetObject" | "HeadObject" => {
            let mut found = vec![call.access("s3:GetObject", object)];
            match call.world.s3.get(bucket, key) {
                Some(_) => found.extend(decrypt(&["Decrypt"])),
                // "If the object you request does not exist, the error Amazon S3 returns depends on
                // whether you also have the s3:ListBucket permission": 404 with it, 403 without
                // (https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html).
                None => found.push(list()),
            }
            found
        }
        "PutObject" => {
            let mut found = vec![call.access("s3:PutObject", object.clone())];
            // https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
            if has("x-amz-tagging") {
                found.push(call.access("s3:PutObjectTagging", object.clone()));
            }
            // https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
            if has("if-match") {
                found.push(call.access("s3:GetObject", object));
            }
            // https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
            found.extend(decrypt(&["GenerateDataKey"]));
            found
        }
        "DeleteObject" => vec![call.access("s3:DeleteObject", object)],
        "GetBucketLocation" => {
            vec![call.access("s3:GetBucketLocation", format!("arn:aws:s3:::{bucket}"))]
        }
        "ListObjectsV2" => {
            let mut access = list();
            let query = call.request.uri().query().unwrap_or_default();
            let prefix = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "prefix");
            if let Some((_, prefix)) = prefix {
                access.keys.set("s3:prefix", prefix);
            }
            vec![access]
        }
        _ => return None,
    })
}
