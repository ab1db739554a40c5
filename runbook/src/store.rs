//! The run bucket: long things (findings, inspections, reports) as objects, and conditional writes
//! for leases.

use aws_sdk_s3::{Client, error::SdkError, operation::get_object::GetObjectOutput, primitives::ByteStream};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use serde::{Serialize, de::DeserializeOwned};

use crate::{Error, Lazy, Result, error::aws};

/// What a function or worker reads into its memory at most. The largest of ours, the reconciliation
/// of 100,000 tables of ten columns, has about 100 MB.
const LARGEST: usize = 256 << 20;

/// The tag by which the bucket's lifecycle knows what expires, as PutObject takes it.
const EXPIRES: &str = "expires=true";

#[derive(Debug, Clone)]
pub struct Store {
    client: Lazy<Client>,
    pub bucket: String,
}

/// On which condition an object is written
/// (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html).
#[derive(Debug, Clone, Copy)]
pub enum When<'a> {
    Always,
    Absent,
    /// The object still has this ETag.
    Unchanged(&'a str),
}

/// An object as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub key: String,
    pub size: u64,
    pub etag: String,
}

impl Store {
    pub fn new(client: Lazy<Client>, bucket: String) -> Self {
        Self { client, bucket }
    }

    /// The same in another bucket.
    pub fn in_bucket(&self, bucket: &str) -> Self {
        Self { client: self.client.clone(), bucket: bucket.to_owned() }
    }

    pub async fn put(&self, key: &str, content_type: &str, body: Vec<u8>) -> Result<()> {
        self.write(key, content_type, body, When::Always, None).await.map(drop)
    }

    pub async fn put_json(&self, key: &str, value: &(impl Serialize + Sync)) -> Result<()> {
        self.put_json_when(key, value, When::Always).await.map(drop)
    }

    /// What expires (`runs_expire_after_days` of `infra/`); all else stays.
    pub async fn put_json_for_a_while(&self, key: &str, value: &(impl Serialize + Sync)) -> Result<()> {
        let body = serde_json::to_vec(value).map_err(|error| Error::Unexpected(error.into()))?;
        self.write(key, "application/json", body, When::Always, Some(EXPIRES)).await.map(drop)
    }

    /// False when the condition does not hold.
    pub async fn put_json_when(
        &self,
        key: &str,
        value: &(impl Serialize + Sync),
        when: When<'_>,
    ) -> Result<bool> {
        let body = serde_json::to_vec_pretty(value).map_err(|error| Error::Unexpected(error.into()))?;
        self.write(key, "application/json", body, when, None).await
    }

    /// False when the condition does not hold.
    pub async fn put_when(
        &self,
        key: &str,
        content_type: &str,
        body: Vec<u8>,
        when: When<'_>,
    ) -> Result<bool> {
        self.write(key, content_type, body, when, None).await
    }

    async fn write(
        &self,
        key: &str,
        content_type: &str,
        body: Vec<u8>,
        when: When<'_>,
        tags: Option<&str>,
    ) -> Result<bool> {
        let mut put = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .content_type(content_type)
            .set_tagging(tags.map(str::to_owned))
            .body(ByteStream::from(body));
        put = match when {
            When::Always => put,
            When::Absent => put.if_none_match("*"),
            When::Unchanged(etag) => put.if_match(etag),
        };
        match put.send().await {
            Ok(_) => Ok(true),
            // 412: the condition does not hold; 409: another conditional write is under way; 404
            // for If-Match: it is gone.
            Err(error)
                if matches!(
                    error.code(),
                    Some("PreconditionFailed" | "ConditionalRequestConflict" | "NoSuchKey")
                ) =>
            {
                Ok(false)
            }
            Err(error) => Err(aws("s3:PutObject")(error)),
        }
    }

    pub async fn get_json<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        Ok(self.get_json_tagged(key).await?.map(|(value, _)| value))
    }

    /// The object and its ETag.
    pub async fn get_json_tagged<T: DeserializeOwned>(&self, key: &str) -> Result<Option<(T, String)>> {
        let Some((bytes, etag)) = self.read(key).await? else { return Ok(None) };
        let mut json = serde_json::Deserializer::from_slice(&bytes);
        let value = serde_path_to_error::deserialize(&mut json).map_err(|error| self.not_ours(key, error))?;
        json.end().map_err(|error| self.not_ours(key, error))?;
        Ok(Some((value, etag)))
    }

    pub async fn get_text(&self, key: &str) -> Result<Option<String>> {
        let Some((bytes, _)) = self.read(key).await? else { return Ok(None) };
        String::from_utf8(bytes).map(Some).map_err(|error| self.not_ours(key, error))
    }

    /// The object, unless it is larger than that: then an error says so before it is read.
    pub async fn get_at_most(&self, key: &str, bytes: usize) -> Result<Option<Vec<u8>>> {
        let Some((object, _)) = self.open(key).await? else { return Ok(None) };
        self.check_size(key, &object, bytes)?;
        Ok(Some(body(object, key).await?))
    }

    /// The same of what is not ours: its size, when it is larger than that.
    pub async fn get_up_to(
        &self,
        key: &str,
        bytes: usize,
    ) -> Result<Option<std::result::Result<Vec<u8>, u64>>> {
        let Some((object, _)) = self.open(key).await? else { return Ok(None) };
        match size(&object) {
            Some(size) if size <= bytes as u64 => Ok(Some(Ok(body(object, key).await?))),
            larger => Ok(Some(Err(larger.unwrap_or(u64::MAX)))),
        }
    }

    fn not_ours(&self, key: &str, error: impl std::fmt::Display) -> Error {
        Error::unexpected(format!("s3://{}/{key} is not what we wrote: {error}", self.bucket))
    }

    async fn read(&self, key: &str) -> Result<Option<(Vec<u8>, String)>> {
        let Some((object, etag)) = self.open(key).await? else { return Ok(None) };
        self.check_size(key, &object, LARGEST)?;
        Ok(Some((body(object, key).await?, etag)))
    }

    fn check_size(&self, key: &str, object: &GetObjectOutput, most: usize) -> Result<()> {
        let size = size(object);
        match size.is_none_or(|size| size > most as u64) {
            true => Err(self.not_ours(key, format!("it has {size:?} bytes, more than {most}"))),
            false => Ok(()),
        }
    }

    /// The object before its body is read, and its ETag.
    async fn open(&self, key: &str) -> Result<Option<(GetObjectOutput, String)>> {
        let object = match self.client.get_object().bucket(&self.bucket).key(key).send().await {
            Ok(object) => object,
            Err(SdkError::ServiceError(error)) if error.err().is_no_such_key() => return Ok(None),
            Err(error) => return Err(aws("s3:GetObject")(error)),
        };
        let etag = object.e_tag().map(str::to_owned);
        let etag = etag.ok_or_else(|| Error::unexpected(format!("S3 shows no ETag of {key}")))?;
        Ok(Some((object, etag)))
    }

    /// All objects whose keys begin so, in the order of their keys.
    pub async fn list(&self, prefix: &str) -> Result<Vec<Listed>> {
        let pages = self.client.list_objects_v2().bucket(&self.bucket).prefix(prefix).into_paginator();
        let mut pages = pages.send();
        let mut listed = Vec::new();
        while let Some(page) = pages.next().await {
            for object in page.map_err(aws("s3:ListBucket"))?.contents() {
                listed.push(Listed {
                    key: object.key().unwrap_or_default().to_owned(),
                    size: object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or_default(),
                    etag: object.e_tag().unwrap_or_default().to_owned(),
                });
            }
        }
        Ok(listed)
    }

    /// The names of the folders in a folder, whose name ends with a slash.
    pub async fn folders(&self, folder: &str) -> Result<Vec<String>> {
        let list = self.client.list_objects_v2().bucket(&self.bucket).prefix(folder).delimiter("/");
        let mut pages = list.into_paginator().send();
        let mut folders = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(aws("s3:ListBucket"))?;
            let names = page.common_prefixes().iter().filter_map(|common| common.prefix());
            folders.extend(names.map(|name| name[folder.len()..].trim_end_matches('/').to_owned()));
        }
        Ok(folders)
    }

    /// The last bytes of an object as it was listed, at most so many; `None` when it is gone or
    /// another one stands there.
    pub async fn tail(&self, object: &Listed, most: u64) -> Result<Option<Vec<u8>>> {
        let from = object.size.saturating_sub(most);
        // S3 refuses a range of an object without bytes (InvalidRange).
        if object.size == 0 {
            return Ok(Some(Vec::new()));
        }
        let get = self.client.get_object().bucket(&self.bucket).key(&object.key).if_match(&object.etag);
        match get.range(format!("bytes={from}-{}", object.size - 1)).send().await {
            Ok(found) => Ok(Some(body(found, &object.key).await?)),
            Err(error) if matches!(error.code(), Some("NoSuchKey" | "PreconditionFailed")) => Ok(None),
            Err(error) => Err(aws("s3:GetObject")(error)),
        }
    }

    pub async fn delete(&self, key: &str) -> Result<()> {
        self.client
            .delete_object()
            .bucket(&self.bucket)
            .key(key)
            .send()
            .await
            .map(drop)
            .map_err(aws("s3:DeleteObject"))
    }
}

fn size(object: &GetObjectOutput) -> Option<u64> {
    object.content_length().and_then(|size| u64::try_from(size).ok())
}

async fn body(object: GetObjectOutput, key: &str) -> Result<Vec<u8>> {
    let collected = object.body.collect().await;
    let bytes =
        collected.map_err(|error| Error::NotReady(format!("S3 to answer (reading {key}: {error})")))?;
    // `to_vec` goes byte by byte, and every state of a sync reads the policy of all clusters.
    Ok(bytes.into_bytes().into())
}
