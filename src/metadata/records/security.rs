//! Who may do what, and how much of it.

use bytes::Bytes;

use crate::metadata::message::message;
use crate::metadata::uuid::Uuid;

message! {
    /// A client's quota has been set or removed.
    pub struct ClientQuotaRecord {
        /// Whose it is.
        entity: Vec<EntityData> = Vec::new(), "entity" since 0;
        /// Which quota, such as `consumer_byte_rate`.
        key: String = String::new(), "key" since 0;
        /// How much.
        value: f64 = 0.0, "value" since 0;
        /// Whether it is gone.
        remove: bool = false, "remove" since 0;
    }

    /// A part of what a quota is for.
    pub struct EntityData {
        /// `user`, `client-id` or `ip`.
        entity_type: String = String::new(), "entityType" since 0;
        /// Which one; null for the default.
        entity_name: Option<String> = Some(String::new()), "entityName" since 0;
    }

    /// A user's password, as SCRAM keeps it.
    pub struct UserScramCredentialRecord {
        /// The user.
        name: String = String::new(), "name" since 0;
        /// 1 is SCRAM-SHA-256, 2 is SCRAM-SHA-512.
        mechanism: i8 = 0, "mechanism" since 0;
        /// The salt.
        salt: Bytes = Bytes::new(), "salt" since 0;
        /// The key that is stored.
        stored_key: Bytes = Bytes::new(), "storedKey" since 0;
        /// The server's key.
        server_key: Bytes = Bytes::new(), "serverKey" since 0;
        /// How many rounds it took.
        iterations: i32 = 0, "iterations" since 0;
    }

    /// A user's password is gone.
    pub struct RemoveUserScramCredentialRecord {
        /// The user.
        name: String = String::new(), "name" since 0;
        /// As in [`UserScramCredentialRecord`].
        mechanism: i8 = 0, "mechanism" since 0;
    }

    /// A delegation token has been made, renewed or given an earlier end.
    pub struct DelegationTokenRecord {
        /// Whose it is.
        owner: String = String::new(), "owner" since 0;
        /// Who asked for it.
        requester: String = String::new(), "requester" since 0;
        /// Who may renew it.
        renewers: Vec<String> = Vec::new(), "renewers" since 0;
        /// When it was made, in milliseconds.
        issue_timestamp: i64 = 0, "issueTimestamp" since 0;
        /// When it ends at the latest.
        max_timestamp: i64 = 0, "maxTimestamp" since 0;
        /// When it ends unless it is renewed.
        expiration_timestamp: i64 = 0, "expirationTimestamp" since 0;
        /// Its id.
        token_id: String = String::new(), "tokenId" since 0;
    }

    /// A delegation token is gone.
    pub struct RemoveDelegationTokenRecord {
        /// Its id.
        token_id: String = String::new(), "tokenId" since 0;
    }

    /// Someone may or may not do something.
    pub struct AccessControlEntryRecord {
        /// The entry's id.
        id: Uuid = Uuid::ZERO, "id" since 0;
        /// What kind of thing it is about, by Kafka's numbers, as all of these.
        resource_type: i8 = 0, "resourceType" since 0;
        /// Which one.
        resource_name: String = String::new(), "resourceName" since 0;
        /// How its name is to be read.
        pattern_type: i8 = 0, "patternType" since 0;
        /// Who.
        principal: String = String::new(), "principal" since 0;
        /// From where.
        host: String = String::new(), "host" since 0;
        /// What is to be done.
        operation: i8 = 0, "operation" since 0;
        /// Whether it may be.
        permission_type: i8 = 0, "permissionType" since 0;
    }

    /// An entry does not count any more.
    pub struct RemoveAccessControlEntryRecord {
        /// The entry's id.
        id: Uuid = Uuid::ZERO, "id" since 0;
    }
}
