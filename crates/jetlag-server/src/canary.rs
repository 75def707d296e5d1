//! The start-up check of a paused clock: it must stand still while bytes are on their way over loopback.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Duration, Instant, sleep};

use crate::ServerError;

/// Sends a byte over loopback and back with a timer armed. On a running clock this takes no time worth speaking of; on a paused one it must
/// take none at all.
pub(crate) async fn check() -> Result<(), ServerError> {
    if !is_paused().await {
        return Ok(());
    }
    let before = Instant::now();
    let echo = async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (mut client, (mut server, _)) = (client?, accepted?);
        let mut byte = [0];
        for _ in 0..4 {
            client.write_all(b"x").await?;
            server.read_exact(&mut byte).await?;
            server.write_all(&byte).await?;
            client.read_exact(&mut byte).await?;
        }
        Ok::<(), std::io::Error>(())
    };
    tokio::select! {
        biased;
        done = echo => done.map_err(|source| ServerError::Listen { address: "127.0.0.1:0".to_owned(), source })?,
        () = sleep(Duration::from_millis(1)) => {}
    }
    if Instant::now() == before {
        return Ok(());
    }
    Err(ServerError::Clock(
        "tokio's paused clock ran ahead while bytes were on their way over loopback, so no client could stay connected. \
         Use tokio 1.53.3 or later (or 1.51.6 and later of 1.51): `cargo update -p tokio`. If it is that new, this machine \
         delivers loopback traffic late (RPS on lo); test on a running clock there"
            .to_owned(),
    ))
}

/// Whether the runtime's clock is paused: it does not move while real time does.
async fn is_paused() -> bool {
    let (real, virtual_) = (std::time::Instant::now(), Instant::now());
    while real.elapsed() < Duration::from_micros(20) {
        std::hint::spin_loop();
    }
    Instant::now() == virtual_
}
