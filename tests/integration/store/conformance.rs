//! The behavior of every store, in one suite that all of them pass.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use s3lo::aws::config::Aws;
use s3lo::store::local::LocalStore;
use s3lo::store::s3::S3Store;
use s3lo::store::s3::options::S3;
use s3lo::store::{Error, Listing, Store};
use tempfile::TempDir;

use crate::support::memory::MemoryStore;
use crate::support::minio::{self, minio};
use crate::support::seaweedfs::seaweedfs;
use s3lo_test_servers::s3::S3Server;

/// Runs `work` as the program does, on one thread.
pub(crate) fn wait_for<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(work)
}

/// A configuration with credentials that MinIO knows.
pub(crate) fn config() -> SdkConfig {
    let credentials = Credentials::new(minio::USER, minio::PASSWORD, None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .sleep_impl(aws_sdk_s3::config::SharedAsyncSleep::new(
            aws_smithy_async::rt::sleep::TokioSleep::new(),
        ))
        .build()
}

/// A bucket, with those credentials.
pub(crate) fn store(bucket: &str, endpoint: &str) -> S3Store {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    let options = S3 {
        endpoint: Some(endpoint.to_owned()),
        ..S3::default()
    };
    S3Store::new(&Aws::with(config(), deadline), bucket, &options)
}

/// Makes a bucket on MinIO.
pub(crate) async fn make_bucket(name: &str) {
    make_bucket_at(&minio().endpoint, name).await;
}

/// Makes a bucket on a server.
pub(crate) async fn make_bucket_at(endpoint: &str, name: &str) {
    let config = aws_sdk_s3::config::Builder::from(&config())
        .endpoint_url(endpoint)
        .force_path_style(true)
        .build();
    let client = aws_sdk_s3::Client::from_conf(config);
    client.create_bucket().bucket(name).send().await.unwrap();
}

/// More folders than a page has.
const MANY: usize = 105;

fn names(listing: &Listing) -> Vec<&str> {
    let names = listing.objects.iter().map(|object| object.name.as_str());
    names.collect()
}

/// Runs the suite on an empty store.
pub(crate) async fn conforms(store: &dyn Store) {
    // A missing object.
    let key = "manifests/app/v1/signatures/0123456789abcdef.json";
    assert!(matches!(
        store.read(key, 100).await,
        Err(Error::NotFound { .. })
    ));
    let nothing = store.list("manifests/app/v1/signatures/").await.unwrap();
    assert_eq!((names(&nothing).len(), nothing.complete), (0, true));

    // A created object is read, whole and under a version.
    store.create(key, b"first").await.unwrap();
    let first = store.read(key, 100).await.unwrap();
    assert_eq!(first.bytes, b"first");
    assert_eq!(store.read_unless(key, 100, &first.version).await, Ok(None));

    // It is created once.
    assert!(matches!(
        store.create(key, b"second").await,
        Err(Error::Exists { .. })
    ));
    assert_eq!(store.read(key, 100).await.unwrap().bytes, b"first");

    // It is replaced in the version that was read, and in no other.
    store.replace(key, b"second", &first.version).await.unwrap();
    let second = store.read(key, 100).await.unwrap();
    assert_eq!(second.bytes, b"second");
    assert_ne!(second.version, first.version);
    let late = store.replace(key, b"third", &first.version).await;
    assert!(matches!(late, Err(Error::Changed { .. })), "{late:?}");
    assert_eq!(store.read(key, 100).await.unwrap(), second);
    let again = store.read_unless(key, 100, &first.version).await.unwrap();
    assert_eq!(again, Some(second.clone()));

    // A deleted object cannot be replaced.
    let absent = "manifests/app/v1/signatures/ffffffffffffffff.json";
    let gone = store.replace(absent, b"x", &first.version).await;
    assert!(
        matches!(gone, Err(Error::Changed { .. } | Error::NotFound { .. })),
        "{gone:?}"
    );
    assert!(matches!(
        store.read(absent, 100).await,
        Err(Error::NotFound { .. })
    ));

    // A bound is kept to the byte, and an object beyond it can still be replaced, unless another writer was faster.
    assert_eq!(store.read(key, 6).await.unwrap().bytes, b"second");
    let oversized = async || match store.read(key, 5).await {
        Err(Error::Oversized {
            version, limit: 5, ..
        }) => version,
        other => panic!("6 bytes are more than 5: {other:?}"),
    };
    let version = oversized().await;
    store
        .replace(key, b"faster", &second.version)
        .await
        .unwrap();
    let late = store.replace(key, b"small", &version).await;
    assert!(matches!(late, Err(Error::Changed { .. })), "{late:?}");
    let version = oversized().await;
    store.replace(key, b"small", &version).await.unwrap();
    assert_eq!(store.read(key, 5).await.unwrap().bytes, b"small");

    // An empty object is an object.
    store
        .create("manifests/app/v1/empty.json", b"")
        .await
        .unwrap();
    assert_eq!(
        store
            .read("manifests/app/v1/empty.json", 0)
            .await
            .unwrap()
            .bytes,
        b""
    );

    // A listing gives the names directly below, folders as well, sorted.
    store
        .create("manifests/app/v2/manifest.json", b"{}")
        .await
        .unwrap();
    store
        .create("manifests/apple/v1/manifest.json", b"{}")
        .await
        .unwrap();
    assert_eq!(
        store.list("manifests/app/").await.unwrap().folders,
        ["v1", "v2"]
    );
    let tag = store.list("manifests/app/v1/").await.unwrap();
    assert!(tag.find("empty.json").is_some() && !tag.lacks("empty.json"));
    assert_eq!(tag.folders, ["signatures"]);
    let records = store.list("manifests/app/v1/signatures/").await.unwrap();
    assert_eq!(names(&records), ["0123456789abcdef.json"]);
    assert!(records.lacks("ffffffffffffffff.json"));
    // If a list names a version, it is the one that a read gives.
    if let Some(version) = &records.objects[0].version {
        assert_eq!(*version, store.read(key, 100).await.unwrap().version);
    }

    // Folders are given in full, however many pages that takes, unless there are more than was asked for.
    for number in 0..MANY {
        let key = format!("manifests/many/v{number:03}/manifest.json");
        store.create(&key, b"{}").await.unwrap();
    }
    let folders = store.folders("manifests/many/", MANY).await.unwrap();
    assert!(folders.complete);
    let all: Vec<_> = (0..MANY).map(|number| format!("v{number:03}")).collect();
    assert_eq!(folders.names, all);
    for most in [MANY - 1, 1] {
        let folders = store.folders("manifests/many/", most).await.unwrap();
        assert!(!folders.complete, "{most}");
    }
    let nothing = store.folders("manifests/none/", 1).await.unwrap();
    assert!(nothing.complete && nothing.names.is_empty());

    // Names are taken as they are.
    for name in [
        "a b",
        "a+b",
        "a%2Fb",
        "ü 🔑",
        "a&b<c>",
        "a=b?c#d",
        "~$'\"!*()",
    ] {
        let key = format!("manifests/{name}/v1/manifest.json");
        store.create(&key, name.as_bytes()).await.unwrap();
        assert_eq!(
            store.read(&key, 100).await.unwrap().bytes,
            name.as_bytes(),
            "{name}"
        );
        assert_eq!(
            store
                .list(&format!("manifests/{name}/"))
                .await
                .unwrap()
                .folders,
            ["v1"],
            "{name}"
        );
    }
}

#[test]
fn the_store_in_memory_conforms() {
    wait_for(conforms(&MemoryStore::default()));
}

#[test]
fn a_directory_conforms() {
    let folder = TempDir::new().unwrap();
    let root = folder.path().join("made/on/demand");
    wait_for(conforms(&LocalStore::new(root.to_str().unwrap())));
}

#[test]
fn the_fault_server_conforms() {
    let server = S3Server::start();
    wait_for(conforms(&store("bucket", &server.endpoint)));
}

#[test]
fn minio_conforms() {
    wait_for(async {
        make_bucket("conformance").await;
        conforms(&store("conformance", &minio().endpoint)).await;
    });
}

#[test]
fn seaweedfs_conforms() {
    wait_for(async {
        let endpoint = &seaweedfs().endpoint;
        make_bucket_at(endpoint, "conformance").await;
        conforms(&store("conformance", endpoint)).await;
    });
}
