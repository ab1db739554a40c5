//! The attributes that make the next `terraform plan` empty.

use std::fmt::Write;

/// A parameter group in use, of the cluster or of an instance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    pub kind: Kind,
    pub name: String,
    pub family: String,
    /// Made by a run, so that Terraform does not know it yet.
    pub ours: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Cluster,
    Instance,
}

impl Kind {
    fn resource(self) -> &'static str {
        match self {
            Self::Cluster => "aws_rds_cluster_parameter_group",
            Self::Instance => "aws_db_parameter_group",
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Cluster<'a> {
    pub name: &'a str,
    pub version: &'a str,
    pub group: &'a str,
}

/// `instances`: each with its group. The attributes are those of the provider's aws_rds_cluster and
/// aws_rds_cluster_instance.
pub fn text(
    Cluster { name: cluster, version, group: cluster_group }: Cluster<'_>,
    instances: &[(String, String)],
    groups: &[Group],
) -> String {
    let mut text = String::new();
    let _ = write!(
        text,
        "# aws_rds_cluster {cluster}\n\
         engine_version                  = \"{version}\"\n\
         db_cluster_parameter_group_name = \"{cluster_group}\"\n\
         # Leave out allow_major_version_upgrade and db_instance_parameter_group_name: they only steer an \
         upgrade.\n\
         # But an apply that was refused leaves them in Terraform's state. If terraform plan shows one, \
         write what it has\n\
         # there, or apply its removal, which changes nothing on AWS:\n\
         # allow_major_version_upgrade     = true\n"
    );
    for (instance, group) in instances {
        let _ = write!(
            text,
            "\n# aws_rds_cluster_instance {instance}\nengine_version          = \
            \"{version}\"\ndb_parameter_group_name = \"{group}\"\n"
        );
    }
    for group in groups {
        let (resource, label) = (group.kind.resource(), label(&group.name));
        if group.ours {
            let _ = write!(
                text,
                "\n# family = \"{}\"; terraform plan -generate-config-out=groups.tf writes the \
                resource\nimport {{\n  to = {resource}.{label}\n  id = \"{}\"\n}}\n",
                group.family, group.name
            );
        } else {
            let _ = write!(text, "\n# {} {} has family = \"{}\"\n", resource, group.name, group.family);
        }
    }
    text
}

/// A name that Terraform takes: letters, digits and underscores, no digit first.
fn label(name: &str) -> String {
    let label: String =
        name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect();
    if label.starts_with(|first: char| first.is_ascii_digit()) { format!("_{label}") } else { label }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_gives_versions_groups_and_imports_of_what_the_run_made() {
        let group = |kind, name: &str, ours| Group {
            kind,
            name: name.into(),
            family: "aurora-postgresql18".into(),
            ours,
        };
        let groups = [group(Kind::Cluster, "orders-18", true), group(Kind::Instance, "shared-18", false)];
        let cluster = Cluster { name: "orders", version: "18.4", group: "orders-18" };
        let text = text(cluster, &[("orders-1".into(), "shared-18".into())], &groups);
        for part in [
            "engine_version                  = \"18.4\"",
            "db_cluster_parameter_group_name = \"orders-18\"",
            "# aws_rds_cluster_instance orders-1",
            "db_parameter_group_name = \"shared-18\"",
            "to = aws_rds_cluster_parameter_group.orders_18\n  id = \"orders-18\"",
            "aws_db_parameter_group shared-18 has family = \"aurora-postgresql18\"",
        ] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
        assert_eq!(text.matches("import {").count(), 1);
    }

    #[test]
    fn labels_are_names_that_terraform_takes() {
        assert_eq!(label("18-orders.x"), "_18_orders_x");
    }
}
