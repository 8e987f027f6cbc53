//! What runs in the probe's pods: the door that answers, and the one who knocks.

use std::{future::Future, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep, timeout},
};

use super::{
    doors::{Knock, Report},
    stage::{PORT, WORD},
};

/// Longest wait for an answer.
const ANSWER: Duration = Duration::from_secs(2);
/// Time between two knocks.
const PAUSE: Duration = Duration::from_secs(1);
/// Longest wait for what must be open: names and rules of a new pod take a moment.
const OPENING: Duration = Duration::from_secs(30);
/// Longest wait for what must be shut: until then an open door may be one that is about to be shut.
const SHUTTING: Duration = Duration::from_secs(15);
/// Shut so often in a row, it is shut.
const SURE: u32 = 2;

/// Where to knock, as `host:port`.
#[derive(Clone, Debug)]
pub struct Places {
    /// A pod of the own Tenant.
    pub own: String,
    /// The Service of the own Tenant, by name.
    pub own_service: String,
    /// A pod of the other Tenant.
    pub pod: String,
    /// The Service of the other Tenant.
    pub service: String,
}

/// Answers everyone who knocks with [`WORD`], until it is dropped.
///
/// # Errors
/// The port can't be had.
pub async fn listen() -> std::io::Result<()> {
    let listener = match TcpListener::bind(("::", PORT)).await {
        Ok(listener) => listener,
        // A machine without IPv6.
        Err(_) => TcpListener::bind(("0.0.0.0", PORT)).await?,
    };
    answer(listener).await;
    Ok(())
}

async fn answer(listener: TcpListener) {
    loop {
        // One that can't be taken is another one's turn; without the pause a full table would be a busy loop.
        let Ok((mut stream, _)) = listener.accept().await else {
            sleep(PAUSE).await;
            continue;
        };
        tokio::spawn(async move {
            let _ = timeout(ANSWER, async {
                stream.write_all(WORD.as_bytes()).await?;
                stream.shutdown().await
            })
            .await;
        });
    }
}

/// Knocks everywhere: first where somebody must answer, so that the rules of this pod are surely in force.
pub async fn report(places: &Places) -> Report {
    let own = patient(&places.own).await;
    let own_service = patient(&places.own_service).await;
    let (pod, service) = tokio::join!(until_shut(&places.pod), until_shut(&places.service));
    Report { own, own_service, pod, service }
}

/// Knocks until somebody answers, for a while.
async fn patient(place: &str) -> Knock {
    repeat(OPENING, place, |last, _| *last == Knock::Answered).await
}

/// Knocks until nobody answers any more, for a while.
async fn until_shut(place: &str) -> Knock {
    repeat(SHUTTING, place, |last, shut| *last != Knock::Answered && shut >= SURE).await
}

async fn repeat(limit: Duration, place: &str, enough: impl Fn(&Knock, u32) -> bool) -> Knock {
    let begun = Instant::now();
    let mut shut = 0;
    loop {
        let last = once(connect(place)).await;
        shut = if last == Knock::Answered { 0 } else { shut + 1 };
        if enough(&last, shut) || begun.elapsed() >= limit {
            return last;
        }
        sleep(PAUSE).await;
    }
}

async fn once(knock: impl Future<Output = std::io::Result<Vec<u8>>>) -> Knock {
    match timeout(ANSWER, knock).await {
        Ok(Ok(word)) if word == WORD.as_bytes() => Knock::Answered,
        Ok(Ok(_)) => Knock::Shut("somebody else answered".into()),
        Ok(Err(error)) => Knock::Shut(error.to_string().chars().take(100).collect()),
        Err(_) => Knock::Shut(format!("no answer within {} s", ANSWER.as_secs())),
    }
}

async fn connect(place: &str) -> std::io::Result<Vec<u8>> {
    let stream = TcpStream::connect(place).await?;
    let mut word = Vec::new();
    let longest = u64::try_from(WORD.len()).unwrap_or(u64::MAX) + 1;
    stream.take(longest).read_to_end(&mut word).await?;
    Ok(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_word_is_an_answer() {
        let door = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = door.local_addr().unwrap().to_string();
        tokio::spawn(answer(door));
        assert_eq!(patient(&place).await, Knock::Answered);
        let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stranger = other.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = other.accept().await.unwrap();
                stream.write_all(b"HTTP/1.1 403 Forbidden").await.unwrap();
            }
        });
        assert_eq!(until_shut(&stranger).await, Knock::Shut("somebody else answered".into()));
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string();
        assert!(matches!(until_shut(&gone).await, Knock::Shut(_)));
    }
}
