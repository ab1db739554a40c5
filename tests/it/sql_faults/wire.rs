//! What stands between the workers and their servers: it counts what they ask, and lets one of
//! their statements meet a fault.
//!
//! An error of the server is no forgery. The statement is taken out and another one put in its
//! place, in the worker's own session and transaction, which really is canceled, waits for a lock
//! that is held, or finds no room; what the server says to that is the answer to the worker's.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader, copy_bidirectional},
    net::{
        TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
};

use tokio_postgres::Client;

use super::{frames, servers::Servers};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The first connections are not taken.
    Refused,
    /// The connection is reset before the server has seen the statement.
    Reset,
    /// The statement is done, and the answer lost.
    Lost,
    /// The answer ends in the middle of a message.
    Torn,
    /// The server itself says no, with this condition.
    Says(&'static str),
}

/// Which statement of the workers', counted from 1, or which connection.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub fault: Fault,
    pub at: usize,
    /// Only statements with these words are counted; all of them by none.
    pub words: &'static str,
}

#[derive(Default)]
struct State {
    plan: Option<Plan>,
    fired: Option<String>,
    refusals: usize,
    connections: usize,
    statements: Vec<String>,
    /// Those of them that the plan counts.
    counted: usize,
}

pub struct Wire {
    servers: Servers,
    state: Mutex<State>,
}

/// What the two directions of one connection know of each other.
#[derive(Default)]
struct Talk {
    /// Turns that are sent and answered, the start of the session among them: a client does not
    /// wait for the answer to one before it sends the next.
    sent: AtomicUsize,
    answered: AtomicUsize,
    /// The turn whose answer, up to the error, is one to a statement that the worker has not made;
    /// the one whose answer is lost; the one whose answer is torn.
    swallow: AtomicUsize,
    lose: AtomicUsize,
    tear: AtomicUsize,
    /// Who stands in the way of that statement.
    other: Mutex<Option<Client>>,
    /// Whether the last turn has a Sync, which the server does not answer when it takes rows.
    extended: AtomicBool,
    /// Who is refused for there being too many.
    limited: AtomicBool,
}

#[derive(Debug, PartialEq)]
enum End {
    Closed,
    Reset,
}

/// How many connections [`Fault::Refused`] refuses.
const REFUSED: usize = 2;

impl Wire {
    pub fn new(servers: Servers) -> Arc<Self> {
        Arc::new(Self { servers, state: Mutex::default() })
    }

    /// From here on, what was seen is forgotten.
    pub fn begin(&self, plan: Option<Plan>) {
        *self.state.lock() = State { plan, ..State::default() };
    }

    /// The statements since then.
    pub fn statements(&self) -> Vec<String> {
        self.state.lock().statements.clone()
    }

    pub fn connections(&self) -> usize {
        self.state.lock().connections
    }

    /// What a fault has left behind is taken away.
    pub fn clear(&self) {
        self.servers.make_room();
    }

    /// The statement that has met the fault.
    pub fn fired(&self) -> Option<String> {
        self.state.lock().fired.clone()
    }

    pub async fn carry(self: Arc<Self>, client: TcpStream, port: u16) {
        // Whoever is cut off sees it.
        let _ = self.pass(client, port).await;
    }

    async fn pass(&self, mut client: TcpStream, port: u16) -> std::io::Result<()> {
        let mut server = TcpStream::connect(("127.0.0.1", port)).await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let hello = frames::startup(&mut client).await?;
        let Some(database) = frames::database(&hello, "aurora-runbooks") else {
            server.write_all(&hello).await?;
            return copy_bidirectional(&mut client, &mut server).await.map(drop);
        };
        let talk = Talk { sent: AtomicUsize::new(1), ..Talk::default() };
        let end = match self.connection() {
            Some(Fault::Refused) => End::Reset,
            fault => {
                if fault.is_some() {
                    self.servers.limit(port, true).await;
                    talk.limited.store(true, SeqCst);
                }
                server.write_all(&hello).await?;
                let (from_client, to_client) = client.split();
                let (from_server, to_server) = server.split();
                let end = tokio::select! {
                    end = self.ask(from_client, to_server, &talk, (port, database.as_str())) => end,
                    end = self.answer(from_server, to_client, &talk, port) => end,
                };
                // Whoever breaks off is gone, too.
                end.unwrap_or(End::Closed)
            }
        };
        // The worker may have gone before it was refused.
        if talk.limited.load(SeqCst) {
            self.servers.limit(port, false).await;
        }
        if end == End::Reset {
            // Then the end of the connection is a reset.
            client.set_zero_linger()?;
            server.set_zero_linger()?;
        }
        Ok(())
    }

    /// One more connection, and the fault that it meets.
    fn connection(&self) -> Option<Fault> {
        let mut state = self.state.lock();
        state.connections += 1;
        let plan = state.plan?;
        match plan.fault {
            Fault::Refused if state.refusals < REFUSED && state.connections >= plan.at => {
                state.refusals += 1;
            }
            Fault::Says("53300") if state.connections == plan.at => {}
            _ => return None,
        }
        state.fired = Some("a connection".to_owned());
        Some(plan.fault)
    }

    /// One more statement, and the fault that it meets.
    fn statement(&self, sql: String) -> Option<Fault> {
        let mut state = self.state.lock();
        state.statements.push(sql.clone());
        let plan = state.plan.filter(|plan| sql.contains(plan.words))?;
        state.counted += 1;
        if plan.at != state.counted {
            return None;
        }
        if plan.fault == Fault::Refused || plan.fault == Fault::Says("53300") {
            return None;
        }
        state.fired = Some(sql);
        Some(plan.fault)
    }

    async fn ask(
        &self,
        client: ReadHalf<'_>,
        mut server: WriteHalf<'_>,
        talk: &Talk,
        (port, database): (u16, &str),
    ) -> std::io::Result<End> {
        let mut client = BufReader::new(client);
        // Messages up to the one that the server answers.
        let (mut turn, mut sql) = (Vec::new(), None);
        loop {
            let Some((kind, message)) = frames::next(&mut client).await? else { return Ok(End::Closed) };
            turn.extend_from_slice(&message);
            match kind {
                b'Q' | b'P' => sql = Some(frames::sql(kind, &message)),
                b'E' => sql = sql.or_else(|| Some("EXECUTE".to_owned())),
                _ => {}
            }
            if matches!(kind, b'P' | b'B' | b'D' | b'E' | b'C') {
                continue;
            }
            let fault = if matches!(kind, b'Q' | b'S') {
                sql.take().and_then(|sql| self.statement(sql))
            } else {
                None
            };
            if matches!(kind, b'Q' | b'S') {
                talk.extended.store(kind == b'S', SeqCst);
                talk.sent.fetch_add(1, SeqCst);
            }
            let this = talk.sent.load(SeqCst);
            match fault {
                None => server.write_all(&turn).await?,
                Some(Fault::Reset) => return Ok(End::Reset),
                Some(Fault::Lost) => {
                    talk.lose.store(this, SeqCst);
                    server.write_all(&turn).await?;
                }
                Some(Fault::Torn) => {
                    talk.tear.store(this, SeqCst);
                    server.write_all(&turn).await?;
                }
                Some(Fault::Says(code)) => {
                    let local = server.as_ref().local_addr()?.port();
                    let (instead, other) = self.servers.prepare(code, (port, database), local).await;
                    *talk.other.lock() = other;
                    talk.swallow.store(this, SeqCst);
                    server.write_all(&frames::query(&instead)).await?;
                }
                Some(Fault::Refused) => unreachable!("it is met by a connection"),
            }
            turn.clear();
        }
    }

    async fn answer(
        &self,
        server: ReadHalf<'_>,
        mut client: WriteHalf<'_>,
        talk: &Talk,
        port: u16,
    ) -> std::io::Result<End> {
        let mut server = BufReader::new(server);
        loop {
            let Some((kind, message)) = frames::next(&mut server).await? else { return Ok(End::Closed) };
            if kind == b'E' && talk.limited.load(SeqCst) {
                // When the worker goes meanwhile, this ends here, and `pass` does it.
                self.servers.limit(port, false).await;
                talk.limited.store(false, SeqCst);
            }
            let this = talk.answered.load(SeqCst) + 1;
            if kind == b'Z' || kind == b'G' && talk.extended.load(SeqCst) {
                talk.answered.store(this, SeqCst);
            }
            if talk.swallow.load(SeqCst) == this {
                if kind == b'Z' {
                    // It has not failed.
                    self.state.lock().fired = None;
                    return Ok(End::Reset);
                }
                if kind != b'E' {
                    continue;
                }
                talk.swallow.store(0, SeqCst);
                *talk.other.lock() = None;
            }
            if talk.tear.load(SeqCst) == this {
                client.write_all(&message[..message.len() / 2]).await?;
                client.flush().await?;
                return Ok(End::Reset);
            }
            if talk.lose.load(SeqCst) == this {
                // After the first of them the server waits for rows.
                if matches!(kind, b'G' | b'Z') {
                    return Ok(End::Reset);
                }
                continue;
            }
            client.write_all(&message).await?;
        }
    }
}

/// Reads a whole message of a length that stands before it, itself included.
pub(super) async fn whole<R: AsyncReadExt + Unpin>(from: &mut R, head: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length).await?;
    let rest = usize::try_from(u32::from_be_bytes(length)).unwrap_or_default().saturating_sub(4);
    let mut message = [head, &length].concat();
    let begin = message.len();
    message.resize(begin + rest, 0);
    from.read_exact(&mut message[begin..]).await?;
    Ok(message)
}
