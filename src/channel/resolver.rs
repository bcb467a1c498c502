//! Addresses of names.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, ToSocketAddrs},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{sync::Mutex as AsyncMutex, task::spawn_blocking};

type Lookup = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;

/// Looks names up in threads, one at a time for each name: a slow name server must not take many threads.
pub struct Resolver {
    lookup: Arc<Lookup>,
    locks: Mutex<HashMap<String, Arc<AsyncMutex<()>>>>,
}

impl Resolver {
    /// The resolver of the operating system.
    pub fn of_system() -> Self {
        Self::new(|name| Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).collect()))
    }

    /// `lookup` may block.
    pub fn new(lookup: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static) -> Self {
        Self { lookup: Arc::new(lookup), locks: Mutex::default() }
    }

    pub async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let lock = {
            let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
            locks.retain(|_, lock| Arc::strong_count(lock) > 1);
            Arc::clone(locks.entry(name.to_owned()).or_default())
        };
        // Held by the thread, which goes on when this is dropped.
        let lock = lock.lock_owned().await;
        let (lookup, name) = (Arc::clone(&self.lookup), name.to_owned());
        let looked_up = spawn_blocking(move || {
            let _lock = lock;
            lookup(&name)
        });
        looked_up.await.map_err(io::Error::other)?
    }
}
