//! RDS's error codes, as far as a state decides by one.

use aws_smithy_types::error::metadata::ProvideErrorMetadata;

macro_rules! faults {
    ($($code:ident),+ $(,)?) => {
        /// Named as RDS names them (botocore rds 2014-10-31, `error.code` of each shape; a test
        /// compares).
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Fault {
            $($code),+
        }

        impl Fault {
            pub const ALL: &[(&str, Self)] = &[$((stringify!($code), Self::$code)),+];
        }
    };
}

faults! {
    BlueGreenDeploymentAlreadyExistsFault,
    BlueGreenDeploymentNotFoundFault,
    DBClusterAlreadyExistsFault,
    DBClusterNotFoundFault,
    DBClusterParameterGroupNotFound,
    DBClusterQuotaExceededFault,
    DBClusterRoleAlreadyExists,
    DBClusterSnapshotAlreadyExistsFault,
    DBClusterSnapshotNotFoundFault,
    DBInstanceAlreadyExists,
    DBInstanceNotFound,
    DBInstanceNotReady,
    DBLogFileNotFoundFault,
    DBParameterGroupAlreadyExists,
    DBParameterGroupNotFound,
    DBParameterGroupQuotaExceeded,
    DBProxyNotFoundFault,
    DBSubnetGroupDoesNotCoverEnoughAZs,
    DBSubnetGroupNotFoundFault,
    ExportTaskAlreadyExists,
    ExportTaskNotFound,
    IamRoleMissingPermissions,
    IamRoleNotFound,
    InstanceQuotaExceeded,
    InsufficientDBClusterCapacityFault,
    InsufficientDBInstanceCapacity,
    InsufficientStorageClusterCapacity,
    InvalidBlueGreenDeploymentStateFault,
    InvalidDBClusterSnapshotStateFault,
    InvalidDBClusterStateFault,
    InvalidDBInstanceState,
    InvalidDBParameterGroupState,
    InvalidDBProxyStateFault,
    InvalidExportOnly,
    InvalidExportSourceState,
    InvalidParameterCombination,
    InvalidParameterValue,
    InvalidRestoreFault,
    InvalidS3BucketFault,
    InvalidSubnet,
    InvalidVPCNetworkStateFault,
    KMSKeyNotAccessibleFault,
    SharedSnapshotQuotaExceeded,
    SnapshotQuotaExceeded,
    SourceClusterNotSupportedFault,
    SourceDatabaseNotSupportedFault,
    StorageQuotaExceeded,
}

/// The role may not do it, or what it may do it to is gone: a policy that asks for a tag of the
/// resource denies what is not there. Look again before believing either.
pub fn is_denied(error: &impl ProvideErrorMetadata) -> bool {
    error.code() == Some("AccessDenied")
}

impl Fault {
    /// `None` for a call that was lost and for a code that no state decides by.
    pub fn of(error: &impl ProvideErrorMetadata) -> Option<Self> {
        let code = error.code()?;
        Self::ALL.iter().find(|(name, _)| *name == code).map(|(_, fault)| *fault)
    }

    /// The cluster or instance is being changed at this moment.
    pub fn is_busy(self) -> bool {
        matches!(self, Self::InvalidDBClusterStateFault | Self::InvalidDBInstanceState)
    }

    /// The account, the policy or the input does not have what RDS needs: only a person can help.
    pub fn needs_a_person(self) -> Option<&'static str> {
        Some(match self {
            Self::KMSKeyNotAccessibleFault => {
                "let the keys' policies allow this account both keys (kms:Decrypt, kms:DescribeKey, \
                 kms:CreateGrant, kms:ReEncrypt*, kms:GenerateDataKey*), and name them in the module's \
                 cluster_key_arns or copy_key_arns"
            }
            Self::DBClusterQuotaExceededFault
            | Self::InstanceQuotaExceeded
            | Self::StorageQuotaExceeded
            | Self::SnapshotQuotaExceeded
            | Self::SharedSnapshotQuotaExceeded
            | Self::DBParameterGroupQuotaExceeded => "delete what is no longer used, or raise the quota",
            Self::InsufficientDBClusterCapacityFault
            | Self::InsufficientStorageClusterCapacity
            | Self::InsufficientDBInstanceCapacity => "wait until AWS has capacity, or choose another class",
            Self::DBSubnetGroupNotFoundFault
            | Self::DBClusterParameterGroupNotFound
            | Self::DBParameterGroupNotFound
            | Self::DBSubnetGroupDoesNotCoverEnoughAZs
            | Self::InvalidSubnet
            | Self::InvalidVPCNetworkStateFault
            | Self::InvalidParameterValue
            | Self::InvalidParameterCombination
            | Self::InvalidDBParameterGroupState
            | Self::InvalidRestoreFault => "name what this account has and RDS takes",
            _ => return None,
        })
    }
}

/// What RDS said about it.
pub fn message(error: &impl ProvideErrorMetadata) -> &str {
    error.message().unwrap_or("RDS gives no reason")
}
