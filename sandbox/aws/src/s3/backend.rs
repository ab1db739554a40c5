//! Buckets and objects, and the operations on them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use clock::Clock;
use futures::TryStreamExt;
use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use sha2::{Digest, Sha256};

use crate::aws::REGION;

pub struct Store {
    clock: Clock,
    pub buckets: Mutex<BTreeMap<String, Objects>>,
    /// The KMS key of a bucket that has one of a customer's.
    pub encryption: Mutex<BTreeMap<String, String>>,
}

pub type Objects = BTreeMap<String, Object>;

#[derive(Clone)]
pub struct Object {
    pub body: Bytes,
    etag: ETag,
    content_type: Option<ContentType>,
    content_encoding: Option<ContentEncoding>,
    metadata: Option<Metadata>,
    pub kms_key: Option<SSEKMSKeyId>,
    last_modified: SystemTime,
}

impl Store {
    pub fn new(clock: Clock) -> Self {
        Self { clock, buckets: Mutex::default(), encryption: Mutex::default() }
    }

    fn with<T>(&self, bucket: &str, act: impl FnOnce(&mut Objects) -> S3Result<T>) -> S3Result<T> {
        let mut buckets = self.buckets.lock().unwrap();
        act(buckets
            .get_mut(bucket)
            .ok_or_else(|| s3_error!(NoSuchBucket, "The specified bucket does not exist"))?)
    }

    fn find(&self, bucket: &str, key: &str) -> S3Result<Object> {
        self.with(bucket, |objects| objects.get(key).cloned().ok_or_else(no_such_key))
    }
}

fn no_such_key() -> s3s::S3Error {
    s3_error!(NoSuchKey, "The specified key does not exist.")
}

fn precondition_failed() -> s3s::S3Error {
    s3_error!(PreconditionFailed, "At least one of the pre-conditions you specified did not hold")
}

/// Conditional writes
/// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html): `If-None-Match`
/// takes `*` alone, and `If-Match` on a key without an object is 404.
fn check(
    present: Option<&Object>,
    if_match: Option<&IfMatch>,
    if_none_match: Option<&IfNoneMatch>,
) -> S3Result<()> {
    match if_none_match {
        Some(IfNoneMatch::Any) if present.is_some() => return Err(precondition_failed()),
        Some(IfNoneMatch::ETag(_)) => {
            return Err(s3_error!(
                NotImplemented,
                "A header you provided implies functionality that is not implemented"
            ));
        }
        _ => {}
    }
    match (if_match, present) {
        (Some(_), None) => Err(no_such_key()),
        (Some(IfMatch::ETag(wanted)), Some(object)) if wanted.value() != object.etag.value() => {
            Err(precondition_failed())
        }
        _ => Ok(()),
    }
}

/// The protocol of an operation stands in the crate; `Backend` is what its trait is implemented
/// for.
pub struct Backend(pub Arc<Store>);

#[async_trait::async_trait]
impl S3 for Backend {
    async fn create_bucket(
        &self,
        request: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        let bucket = request.input.bucket;
        let mut buckets = self.0.buckets.lock().unwrap();
        if buckets.contains_key(&bucket) {
            return Err(s3_error!(
                BucketAlreadyOwnedByYou,
                "Your previous request to create the named bucket succeeded and you already own it."
            ));
        }
        let location = Some(format!("/{bucket}"));
        buckets.insert(bucket, Objects::new());
        Ok(S3Response::new(CreateBucketOutput { location }))
    }

    async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        self.0.with(&request.input.bucket, |_| Ok(()))?;
        Ok(S3Response::new(HeadBucketOutput { bucket_region: Some(REGION.into()), ..Default::default() }))
    }

    async fn get_bucket_location(
        &self,
        request: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.0.with(&request.input.bucket, |_| Ok(()))?;
        let location_constraint = Some(BucketLocationConstraint::from(REGION.to_owned()));
        Ok(S3Response::new(GetBucketLocationOutput { location_constraint }))
    }

    async fn list_buckets(&self, _: S3Request<ListBucketsInput>) -> S3Result<S3Response<ListBucketsOutput>> {
        let buckets = self.0.buckets.lock().unwrap();
        // Nobody asks how old a bucket is, but the AWS CLI wants a date to print.
        let created = Some(SystemTime::from(self.0.clock.now()).into());
        let buckets = buckets
            .keys()
            .map(|name| Bucket {
                name: Some(name.clone()),
                creation_date: created.clone(),
                ..Default::default()
            })
            .collect();
        Ok(S3Response::new(ListBucketsOutput { buckets: Some(buckets), ..Default::default() }))
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let input = request.input;
        let mut body = BytesMut::new();
        if let Some(mut stream) = input.body {
            while let Some(chunk) =
                stream.try_next().await.map_err(|error| s3_error!(IncompleteBody, "{error}"))?
            {
                body.extend_from_slice(&chunk);
            }
        }
        // "The ETag may or may not be an MD5 digest of the object data" (API_Object): here it is
        // not.
        let etag = ETag::Strong(hex::encode(&Sha256::digest(&body)[..16]));
        let object = Object {
            body: body.freeze(),
            etag: etag.clone(),
            content_type: input.content_type,
            content_encoding: input.content_encoding,
            metadata: input.metadata,
            kms_key: input.ssekms_key_id,
            last_modified: self.0.clock.now().into(),
        };
        self.0.with(&input.bucket, |objects| {
            check(objects.get(&input.key), input.if_match.as_ref(), input.if_none_match.as_ref())?;
            objects.insert(input.key, object);
            Ok(())
        })?;
        Ok(S3Response::new(PutObjectOutput { e_tag: Some(etag), ..Default::default() }))
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let GetObjectInput { bucket, key, if_match, if_none_match, range, .. } = request.input;
        let object = self.0.find(&bucket, &key)?;
        check(Some(&object), if_match.as_ref(), None)?;
        if matches!(&if_none_match, Some(IfNoneMatch::ETag(known)) if known.value() == object.etag.value()) {
            return Err(s3_error!(NotModified));
        }
        let length = object.body.len() as u64;
        let wanted = range.map(|range| range.check(length)).transpose()?;
        let body = match &wanted {
            Some(wanted) => object.body.slice(wanted.start as usize..wanted.end as usize),
            None => object.body,
        };
        let content_range =
            wanted.map(|wanted| format!("bytes {}-{}/{length}", wanted.start, wanted.end - 1));
        Ok(S3Response::new(GetObjectOutput {
            content_length: Some(body.len() as i64),
            content_range,
            accept_ranges: Some("bytes".to_owned()),
            body: Some(s3s::Body::from(body).into()),
            e_tag: Some(object.etag),
            content_type: object.content_type,
            content_encoding: object.content_encoding,
            metadata: object.metadata,
            last_modified: Some(object.last_modified.into()),
            ..Default::default()
        }))
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let object = self.0.find(&request.input.bucket, &request.input.key)?;
        Ok(S3Response::new(HeadObjectOutput {
            content_length: Some(object.body.len() as i64),
            e_tag: Some(object.etag),
            content_type: object.content_type,
            content_encoding: object.content_encoding,
            metadata: object.metadata,
            last_modified: Some(object.last_modified.into()),
            ..Default::default()
        }))
    }

    /// To delete what is not there succeeds, unless `If-Match` names what ought to be there.
    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let input = request.input;
        self.0.with(&input.bucket, |objects| {
            check(objects.get(&input.key), input.if_match.as_ref(), None)?;
            objects.remove(&input.key);
            Ok(())
        })?;
        Ok(S3Response::with_status(DeleteObjectOutput::default(), http::StatusCode::NO_CONTENT))
    }

    /// The continuation token is the last key of the page before.
    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        let prefix = input.prefix.clone().unwrap_or_default();
        let delimiter = input.delimiter.clone().unwrap_or_default();
        let after = input.continuation_token.as_ref().or(input.start_after.as_ref());
        let max_keys = input.max_keys.unwrap_or(1000).clamp(0, 1000);
        let (mut contents, mut prefixes, mut last, mut is_truncated) =
            (Vec::new(), BTreeSet::new(), None, false);
        self.0.with(&input.bucket, |objects| {
            for (key, object) in objects
                .iter()
                .filter(|(key, _)| key.starts_with(&prefix) && after.is_none_or(|after| *key > after))
            {
                let folder = key[prefix.len()..].find(&delimiter).filter(|_| !delimiter.is_empty());
                let folder = folder.map(|at| key[..prefix.len() + at + delimiter.len()].to_owned());
                let listed = folder.as_ref().is_some_and(|folder| {
                    prefixes.contains(folder) || after.is_some_and(|after| after.starts_with(folder.as_str()))
                });
                if !listed && contents.len() + prefixes.len() >= max_keys as usize {
                    is_truncated = true;
                    break;
                }
                last = Some(key.clone());
                match folder {
                    Some(_) if listed => {}
                    Some(folder) => _ = prefixes.insert(folder),
                    None => contents.push(s3s::dto::Object {
                        key: Some(key.clone()),
                        size: Some(object.body.len() as i64),
                        e_tag: Some(object.etag.clone()),
                        last_modified: Some(object.last_modified.into()),
                        ..Default::default()
                    }),
                }
            }
            Ok(())
        })?;
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: input.prefix,
            delimiter: input.delimiter,
            start_after: input.start_after,
            continuation_token: input.continuation_token,
            max_keys: Some(max_keys),
            key_count: Some((contents.len() + prefixes.len()) as i32),
            contents: Some(contents),
            common_prefixes: Some(
                prefixes.into_iter().map(|prefix| CommonPrefix { prefix: Some(prefix) }).collect(),
            ),
            next_continuation_token: last.filter(|_| is_truncated),
            is_truncated: Some(is_truncated),
            ..Default::default()
        }))
    }
}
