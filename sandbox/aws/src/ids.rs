//! Identifiers as AWS makes them, from a seeded generator, so that a run replays with the same
//! ones.

use std::sync::Mutex;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

pub struct Ids(Mutex<StdRng>);

impl Ids {
    /// Each service seeds with its own name, so that two services never make the same identifier.
    pub fn new(service: &str) -> Self {
        let mut seed = [0; 32];
        for (place, byte) in seed.iter_mut().zip(service.bytes()) {
            *place = byte;
        }
        Self(Mutex::new(StdRng::from_seed(seed)))
    }

    pub fn uuid(&self) -> String {
        uuid::Builder::from_random_bytes(self.0.lock().unwrap().random()).into_uuid().to_string()
    }

    /// 32 hexadecimal digits, as in a task ARN.
    pub fn hex(&self) -> String {
        hex::encode(self.0.lock().unwrap().random::<[u8; 16]>())
    }

    /// Six letters and digits, as at the end of a secret's ARN.
    pub fn suffix(&self) -> String {
        self.0.lock().unwrap().sample_iter(rand::distr::Alphanumeric).take(6).map(char::from).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_service_makes_the_same_identifiers_and_another_makes_others() {
        let (one, again, other) = (Ids::new("ecs"), Ids::new("ecs"), Ids::new("events"));
        let first = one.uuid();
        assert_eq!(first, again.uuid());
        assert_ne!(first, other.uuid());
        assert_ne!(first, one.uuid());
        assert_eq!(one.suffix().len(), 6);
    }
}
