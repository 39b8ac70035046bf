//! What users may name: levels of the architecture, and CPUs, as compilers take them after `-march=` and `-mcpu=`.

use crate::arch::features::Named;

// What LLVM's code for each may use, as `clang --print-enabled-extensions` says, as far as the kernel tells of it. Some are left
// out that a kernel hides for reasons of its own, and that no code uses which does not ask for them: `bti`, `ccdp`, `ccpp`, `dit`,
// `gcs`, `mte`, `rand`, `sb`, `ssbs` and `wfxt`.
const V8: &[&str] = &["fp-armv8", "neon"];
const V8_1: &[&str] = &["crc", "lse", "rdm"];
const V8_3: &[&str] = &["jsconv", "complxnum", "rcpc", "pauth"];
const V8_4: &[&str] = &["dotprod", "lse2", "rcpc-immo", "flagm"];
const V8_5: &[&str] = &["altnzcv", "fptoint"];
const V8_6: &[&str] = &["i8mm", "bf16"];
const V8_8: &[&str] = &["mops", "hbc"];
const V8_9: &[&str] = &["cssc"];
const V9: &[&str] = &["fullfp16", "sve", "sve2"];
const V9_4: &[&str] = &["sve2p1"];
const V9_5: &[&str] = &["lut", "faminmax"];

#[rustfmt::skip]
pub const NAMED: [Named; 114] = [
    cpu("generic", &[]),
    level("armv8-a", "+v8a", &[V8]),
    level("armv8.1-a", "+v8.1a", &[V8, V8_1]),
    level("armv8.2-a", "+v8.2a", &[V8, V8_1]),
    level("armv8.3-a", "+v8.3a", &[V8, V8_1, V8_3]),
    level("armv8.4-a", "+v8.4a", &[V8, V8_1, V8_3, V8_4]),
    level("armv8.5-a", "+v8.5a", &[V8, V8_1, V8_3, V8_4, V8_5]),
    level("armv8.6-a", "+v8.6a", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6]),
    level("armv8.7-a", "+v8.7a", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6]),
    level("armv8.8-a", "+v8.8a", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, V8_8]),
    level("armv8.9-a", "+v8.9a", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, V8_8, V8_9]),
    level("armv9-a", "+v9a,+sve2", &[V8, V8_1, V8_3, V8_4, V8_5, V9]),
    level("armv9.1-a", "+v9.1a,+sve2", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, V9]),
    level("armv9.2-a", "+v9.2a,+sve2", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, V9]),
    level("armv9.3-a", "+v9.3a,+sve2", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, V8_8, V9]),
    level("armv9.4-a", "+v9.4a,+sve2p1", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, V8_8, V8_9, V9, V9_4]),
    level("armv9.5-a", "+v9.5a,+sve2p1,+lut,+faminmax", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, V8_8, V8_9, V9, V9_4, V9_5]),
    cpu("a64fx", &[V8, V8_1, &["aes", "sha2", "fullfp16", "complxnum", "sve"]]),
    cpu("ampere1", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, &["aes", "sha2", "fullfp16", "sha3", "fp16fml"]]),
    cpu("ampere1a", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, &["aes", "sha2", "fullfp16", "sha3", "sm4", "fp16fml"]]),
    cpu("ampere1b", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, &["aes", "sha2", "fullfp16", "sha3", "sm4", "fp16fml", "cssc"]]),
    cpu("ampere1c", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, V9, &["aes", "sha2", "sha3", "sm4", "fp16fml", "sve-aes", "sve-sha3", "sve-sm4", "cssc", "sve-b16b16", "lut", "faminmax", "fp8"]]),
    cpu("apple-a10", &[V8, &["aes", "sha2", "crc", "rdm"]]),
    cpu("apple-a11", &[V8, V8_1, &["aes", "sha2", "fullfp16"]]),
    cpu("apple-a12", &[V8, V8_1, V8_3, &["aes", "sha2", "fullfp16"]]),
    cpu("apple-a13", &[V8, V8_1, V8_3, V8_4, &["aes", "sha2", "fullfp16", "sha3", "fp16fml"]]),
    cpu("apple-a14", &[V8, V8_1, V8_3, V8_4, V8_5, &["aes", "sha2", "fullfp16", "sha3", "fp16fml"]]),
    cpu("apple-a15", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, &["aes", "sha2", "fullfp16", "sha3", "fp16fml"]]),
    cpu("apple-a16", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, &["aes", "sha2", "fullfp16", "sha3", "fp16fml"]]),
    cpu("apple-a17", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, &["aes", "sha2", "fullfp16", "sha3", "fp16fml"]]),
    cpu("apple-a18", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, &["aes", "sha2", "fullfp16", "sha3", "fp16fml"]]),
    cpu("apple-a19", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, &["aes", "sha2", "fullfp16", "sha3", "fp16fml", "cssc", "hbc"]]),
    cpu("apple-a7", &[V8, &["aes", "sha2"]]),
    cpu("apple-a8", &[V8, &["aes", "sha2"]]),
    cpu("apple-a9", &[V8, &["aes", "sha2"]]),
    cpu("apple-m1", &[V8, V8_1, V8_3, V8_4, V8_5, &["aes", "sha2", "fullfp16", "sha3", "fp16fml"]]),
    cpu("apple-m2", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, &["aes", "sha2", "fullfp16", "sha3", "fp16fml"]]),
    cpu("apple-m3", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, &["aes", "sha2", "fullfp16", "sha3", "fp16fml"]]),
    cpu("apple-m4", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, &["aes", "sha2", "fullfp16", "sha3", "fp16fml"]]),
    cpu("apple-m5", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, &["aes", "sha2", "fullfp16", "sha3", "fp16fml", "cssc", "hbc"]]),
    cpu("apple-s10", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, &["aes", "sha2", "fullfp16", "sha3", "fp16fml"]]),
    cpu("apple-s4", &[V8, V8_1, V8_3, &["aes", "sha2", "fullfp16"]]),
    cpu("apple-s5", &[V8, V8_1, V8_3, &["aes", "sha2", "fullfp16"]]),
    cpu("apple-s6", &[V8, V8_1, V8_3, V8_4, &["aes", "sha2", "fullfp16", "sha3", "fp16fml"]]),
    cpu("apple-s7", &[V8, V8_1, V8_3, V8_4, &["aes", "sha2", "fullfp16", "sha3", "fp16fml"]]),
    cpu("apple-s8", &[V8, V8_1, V8_3, V8_4, &["aes", "sha2", "fullfp16", "sha3", "fp16fml"]]),
    cpu("apple-s9", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, &["aes", "sha2", "fullfp16", "sha3", "fp16fml"]]),
    cpu("c1-nano", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, V8_8, V9, &["fp16fml", "sve-bitperm", "rcpc3"]]),
    cpu("c1-premium", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, V8_8, V9, &["fp16fml", "sve-bitperm", "rcpc3"]]),
    cpu("c1-pro", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, V8_8, V9, &["fp16fml", "sve-bitperm", "rcpc3"]]),
    cpu("c1-ultra", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, V8_8, V9, &["fp16fml", "sve-bitperm", "rcpc3"]]),
    cpu("carmel", &[V8, V8_1, &["aes", "sha2", "fullfp16"]]),
    cpu("cobalt-100", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, V9, &["fp16fml", "sve-bitperm"]]),
    cpu("cortex-a320", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, V9, &["fp16fml", "sve-bitperm"]]),
    cpu("cortex-a34", &[V8, &["aes", "sha2", "crc"]]),
    cpu("cortex-a35", &[V8, &["aes", "sha2", "crc"]]),
    cpu("cortex-a510", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, V9, &["fp16fml", "sve-bitperm"]]),
    cpu("cortex-a520", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, V9, &["fp16fml", "sve-bitperm"]]),
    cpu("cortex-a520ae", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, V9, &["fp16fml", "sve-bitperm"]]),
    cpu("cortex-a53", &[V8, &["aes", "sha2", "crc"]]),
    cpu("cortex-a55", &[V8, V8_1, &["aes", "sha2", "fullfp16", "rcpc", "dotprod"]]),
    cpu("cortex-a57", &[V8, &["aes", "sha2", "crc"]]),
    cpu("cortex-a65", &[V8, V8_1, &["aes", "sha2", "fullfp16", "rcpc", "dotprod"]]),
    cpu("cortex-a65ae", &[V8, V8_1, &["aes", "sha2", "fullfp16", "rcpc", "dotprod"]]),
    cpu("cortex-a710", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, V9, &["fp16fml", "sve-bitperm"]]),
    cpu("cortex-a715", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, V9, &["fp16fml", "sve-bitperm"]]),
    cpu("cortex-a72", &[V8, &["aes", "sha2", "crc"]]),
    cpu("cortex-a720", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, V9, &["fp16fml", "sve-bitperm"]]),
    cpu("cortex-a720ae", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, V9, &["fp16fml", "sve-bitperm"]]),
    cpu("cortex-a725", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, V9, &["fp16fml", "sve-bitperm"]]),
    cpu("cortex-a73", &[V8, &["aes", "sha2", "crc"]]),
    cpu("cortex-a75", &[V8, V8_1, &["aes", "sha2", "fullfp16", "rcpc", "dotprod"]]),
    cpu("cortex-a76", &[V8, V8_1, &["aes", "sha2", "fullfp16", "rcpc", "dotprod"]]),
    cpu("cortex-a76ae", &[V8, V8_1, &["aes", "sha2", "fullfp16", "rcpc", "dotprod"]]),
    cpu("cortex-a77", &[V8, V8_1, &["aes", "sha2", "fullfp16", "rcpc", "dotprod"]]),
    cpu("cortex-a78", &[V8, V8_1, &["aes", "sha2", "fullfp16", "rcpc", "dotprod"]]),
    cpu("cortex-a78ae", &[V8, V8_1, &["aes", "sha2", "fullfp16", "rcpc", "dotprod"]]),
    cpu("cortex-a78c", &[V8, V8_1, &["aes", "sha2", "fullfp16", "rcpc", "dotprod", "flagm", "pauth"]]),
    cpu("cortex-r82", &[V8, V8_1, V8_3, &["fullfp16", "dotprod", "fp16fml", "rcpc-immo", "flagm"]]),
    cpu("cortex-r82ae", &[V8, V8_1, V8_3, &["fullfp16", "dotprod", "fp16fml", "rcpc-immo", "flagm"]]),
    cpu("cortex-x1", &[V8, V8_1, &["aes", "sha2", "fullfp16", "rcpc", "dotprod"]]),
    cpu("cortex-x1c", &[V8, V8_1, &["aes", "sha2", "fullfp16", "rcpc", "dotprod", "lse2", "rcpc-immo", "flagm", "pauth"]]),
    cpu("cortex-x2", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, V9, &["fp16fml", "sve-bitperm"]]),
    cpu("cortex-x3", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, V9, &["fp16fml", "sve-bitperm"]]),
    cpu("cortex-x4", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, V9, &["fp16fml", "sve-bitperm"]]),
    cpu("cortex-x925", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, V9, &["fp16fml", "sve-bitperm"]]),
    cpu("cyclone", &[V8, &["aes", "sha2"]]),
    cpu("exynos-m3", &[V8, &["aes", "sha2", "crc"]]),
    cpu("exynos-m4", &[V8, V8_1, &["aes", "sha2", "fullfp16", "dotprod"]]),
    cpu("exynos-m5", &[V8, V8_1, &["aes", "sha2", "fullfp16", "dotprod"]]),
    cpu("falkor", &[V8, &["aes", "sha2", "crc", "rdm"]]),
    cpu("fujitsu-monaka", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, V8_8, V9, &["aes", "sha2", "sha3", "sm4", "fp16fml", "sve-aes", "sve-bitperm", "sve-sha3", "sve-sm4", "lut", "faminmax", "fp8"]]),
    cpu("gb10", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, V9, &["aes", "sha2", "sha3", "sm4", "fp16fml", "sve-aes", "sve-bitperm", "sve-sha3", "sve-sm4"]]),
    cpu("grace", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, V9, &["aes", "sha2", "sha3", "sm4", "fp16fml", "sve-aes", "sve-bitperm", "sve-sha3", "sve-sm4"]]),
    cpu("kryo", &[V8, &["aes", "sha2", "crc"]]),
    cpu("neoverse-512tvb", &[V8, V8_1, V8_3, V8_4, &["aes", "sha2", "fullfp16", "sha3", "sm4", "sve", "fp16fml", "i8mm", "bf16"]]),
    cpu("neoverse-e1", &[V8, V8_1, &["aes", "sha2", "fullfp16", "rcpc", "dotprod"]]),
    cpu("neoverse-n1", &[V8, V8_1, &["aes", "sha2", "fullfp16", "rcpc", "dotprod"]]),
    cpu("neoverse-n2", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, V9, &["fp16fml", "sve-bitperm"]]),
    cpu("neoverse-n3", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, V9, &["fp16fml", "sve-bitperm"]]),
    cpu("neoverse-v1", &[V8, V8_1, V8_3, V8_4, &["aes", "sha2", "fullfp16", "sha3", "sm4", "sve", "fp16fml", "i8mm", "bf16"]]),
    cpu("neoverse-v2", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, V9, &["fp16fml", "sve-bitperm"]]),
    cpu("neoverse-v3", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, V9, &["fp16fml", "sve-bitperm"]]),
    cpu("neoverse-v3ae", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, V9, &["fp16fml", "sve-bitperm"]]),
    cpu("olympus", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, V9, &["aes", "sha2", "sha3", "sm4", "fp16fml", "sve-aes", "sve-bitperm", "sve-sha3", "sve-sm4", "lut", "faminmax", "fp8"]]),
    cpu("oryon-1", &[V8, V8_1, V8_3, V8_4, V8_5, V8_6, &["aes", "sha2", "fullfp16", "sha3", "sm4", "fp16fml"]]),
    cpu("saphira", &[V8, V8_1, V8_3, V8_4, &["aes", "sha2"]]),
    cpu("thunderx", &[V8, &["aes", "sha2", "crc"]]),
    cpu("thunderx2t99", &[V8, V8_1, &["aes", "sha2"]]),
    cpu("thunderx3t110", &[V8, V8_1, V8_3, &["aes", "sha2"]]),
    cpu("thunderxt81", &[V8, &["aes", "sha2", "crc"]]),
    cpu("thunderxt83", &[V8, &["aes", "sha2", "crc"]]),
    cpu("thunderxt88", &[V8, &["aes", "sha2", "crc"]]),
    cpu("tsv110", &[V8, V8_1, &["aes", "sha2", "fullfp16", "jsconv", "complxnum", "dotprod", "fp16fml"]]),
];

const fn level(
    name: &'static str,
    features: &'static str,
    needs: &'static [&'static [&'static str]],
) -> Named {
    Named {
        name,
        cpu: "generic",
        features,
        needs,
    }
}

const fn cpu(name: &'static str, needs: &'static [&'static [&'static str]]) -> Named {
    Named {
        name,
        cpu: name,
        features: "",
        needs,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::cpu::FEATURES;
    use std::collections::HashSet;

    #[test]
    fn a_name_needs_features_that_are_known_once() {
        let mut names = HashSet::new();
        for named in NAMED {
            let needs = named.needs.concat();
            let different: HashSet<_> = needs.iter().collect();
            assert_eq!(different.len(), needs.len(), "{}", named.name);
            for need in needs {
                let known = FEATURES.iter().any(|feature| feature.name == need);
                assert!(known, "{}: {need}", named.name);
            }
            assert!(names.insert(named.name), "{}", named.name);
        }
    }

    #[test]
    fn cpus_need_what_they_have() {
        let check = |name: &str, needs: &[&str], others: &[&str]| {
            let named = NAMED.iter().find(|named| named.name == name);
            let all = named.expect(name).needs.concat();
            assert!(needs.iter().all(|need| all.contains(need)), "{name}");
            assert!(!others.iter().any(|other| all.contains(other)), "{name}");
        };
        check("generic", &[], &["neon", "lse"]);
        check("armv8-a", &["neon"], &["lse"]);
        check("armv8.2-a", &["lse", "rdm", "crc"], &["fullfp16", "rcpc"]);
        check("armv9-a", &["sve2", "lse2", "fullfp16"], &["bf16"]);
        check(
            "neoverse-n1",
            &["lse", "dotprod", "rcpc", "fullfp16", "aes"],
            &["sve", "ssbs"],
        );
        check("neoverse-v1", &["sve", "bf16", "i8mm"], &["sve2"]);
        check("neoverse-v2", &["sve2", "bf16", "i8mm"], &["mte"]);
        check("apple-m1", &["lse2", "sha3", "pauth"], &["sve", "bf16"]);
        check("cortex-a72", &["crc", "aes"], &["lse"]);
    }
}
