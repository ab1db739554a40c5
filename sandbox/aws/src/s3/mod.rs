//! S3, path-style, in memory: crate `s3s` speaks the protocol, the objects are ours.
//!
//! The crate's own file system backend loses races of conditional writes; here one lock makes them
//! atomic.

mod backend;
mod chunked;

use std::path::{Component, Path};
use std::sync::Arc;

use anyhow::Context;
use async_trait::async_trait;
use bytes::Bytes;
use clock::Clock;
use http_body_util::BodyExt;
use s3s::service::{S3Service, S3ServiceBuilder};

use crate::http::{Endpoint, Request, Response, respond};
use backend::{Backend, Store};

pub struct S3 {
    service: S3Service,
    store: Arc<Store>,
}

impl S3 {
    pub fn new(clock: Clock) -> Arc<Self> {
        let store = Arc::new(Store::new(clock));
        Arc::new(Self { service: S3ServiceBuilder::new(Backend(store.clone())).build(), store })
    }

    pub fn create_bucket(&self, bucket: &str) {
        self.store.buckets.lock().unwrap().entry(bucket.into()).or_default();
    }

    /// From now on that key encrypts what the bucket holds; none: a key of S3's own.
    pub fn encrypt(&self, bucket: &str, key: &str) {
        self.store.encryption.lock().unwrap().insert(bucket.into(), key.into());
    }

    pub fn key_of(&self, bucket: &str) -> Option<String> {
        self.store.encryption.lock().unwrap().get(bucket).cloned()
    }

    /// The key that an object was put with, if it was put with one.
    pub fn key_of_object(&self, bucket: &str, key: &str) -> Option<String> {
        self.store.buckets.lock().unwrap().get(bucket)?.get(key)?.kms_key.clone()
    }

    /// Deletes an object behind everybody's back.
    pub fn remove(&self, bucket: &str, key: &str) {
        if let Some(objects) = self.store.buckets.lock().unwrap().get_mut(bucket) {
            objects.remove(key);
        }
    }

    pub fn get(&self, bucket: &str, key: &str) -> Option<Bytes> {
        Some(self.store.buckets.lock().unwrap().get(bucket)?.get(key)?.body.clone())
    }

    /// The keys below a prefix, in order.
    pub fn list(&self, bucket: &str, prefix: &str) -> Vec<String> {
        let buckets = self.store.buckets.lock().unwrap();
        let keys = buckets.get(bucket).into_iter().flat_map(|objects| objects.keys());
        keys.filter(|key| key.starts_with(prefix)).cloned().collect()
    }

    /// Writes every object to `<folder>/<bucket>/<key>`.
    pub fn dump(&self, folder: &Path) -> anyhow::Result<()> {
        let buckets = self.store.buckets.lock().unwrap().clone();
        for (bucket, objects) in buckets {
            for (key, object) in objects {
                let file = Path::new(&key);
                if !file.components().all(|component| matches!(component, Component::Normal(_))) {
                    anyhow::bail!("object {key:?} of bucket {bucket} has no place in a folder");
                }
                let path = folder.join(&bucket).join(file);
                std::fs::create_dir_all(path.parent().unwrap_or(folder))?;
                std::fs::write(&path, &object.body)
                    .with_context(|| format!("could not write {}", path.display()))?;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Endpoint for S3 {
    async fn call(&self, request: Request) -> Response {
        // Who calls is known already: the gateway reads it from the credential scope, and nobody
        // checks signatures.
        let (mut parts, mut body) = request.into_parts();
        let is_head = parts.method == http::Method::HEAD;
        parts.headers.remove(http::header::AUTHORIZATION);
        if chunked::is_chunked(&parts.headers) {
            match chunked::decode(&body) {
                Some(decoded) => body = decoded,
                None => return respond(400, "text/plain", "malformed aws-chunked body"),
            }
            chunked::plain(&mut parts.headers, body.len());
        }
        match self.service.call(http::Request::from_parts(parts, body.into())).await {
            Ok(response) => {
                let (parts, body) = response.into_parts();
                match body.collect().await {
                    // The socket would drop it; the model gear has none.
                    Ok(_) if is_head => http::Response::from_parts(parts, Bytes::new()),
                    Ok(collected) => http::Response::from_parts(parts, collected.to_bytes()),
                    Err(error) => respond(500, "text/plain", error.to_string()),
                }
            }
            Err(error) => respond(500, "text/plain", format!("{error:?}")),
        }
    }
}

#[cfg(test)]
mod tests;
