//! Which country an Azure region lies in, which zone a country belongs to, and where a deployment therefore
//! processes data. It owns these tables; it refuses to guess: what is not in them is unknown.
//!
//! Sources: Azure's list of regions (learn.microsoft.com/azure/reliability/regions-list); deployment types
//! of Azure OpenAI (learn.microsoft.com/azure/ai-foundry/openai/how-to/deployment-types: `DataZone*` stays
//! within the EU's member states or the United States, `Global*` and `DeveloperTier` may be processed
//! anywhere); member states of the European Union; country codes of ISO 3166-1.

use rule_table::Geography;

use crate::manifest::{Backend, BackendKind, Place, Sku};

/// Azure regions by country. Switzerland, Norway and the United Kingdom are in no data zone.
const REGIONS: [(&str, &[&str]); 37] = [
    ("ae", &["uaecentral", "uaenorth"]),
    ("at", &["austriaeast"]),
    ("au", &["australiacentral", "australiacentral2", "australiaeast", "australiasoutheast"]),
    ("be", &["belgiumcentral"]),
    ("br", &["brazilsouth", "brazilsoutheast"]),
    ("ca", &["canadacentral", "canadaeast"]),
    ("ch", &["switzerlandnorth", "switzerlandwest"]),
    ("cl", &["chilecentral"]),
    ("cn", &["chinaeast", "chinaeast2", "chinaeast3", "chinanorth", "chinanorth2", "chinanorth3"]),
    ("de", &["germanynorth", "germanywestcentral"]),
    ("dk", &["denmarkeast"]),
    ("es", &["spaincentral"]),
    ("fr", &["francecentral", "francesouth"]),
    ("gb", &["uksouth", "ukwest"]),
    ("hk", &["eastasia"]),
    ("id", &["indonesiacentral"]),
    ("ie", &["northeurope"]),
    ("il", &["israelcentral"]),
    ("in", &["centralindia", "jioindiacentral", "jioindiawest", "southindia", "westindia"]),
    ("it", &["italynorth"]),
    ("jp", &["japaneast", "japanwest"]),
    ("kr", &["koreacentral", "koreasouth"]),
    ("mx", &["mexicocentral"]),
    ("my", &["malaysiawest"]),
    ("nl", &["westeurope"]),
    ("no", &["norwayeast", "norwaywest"]),
    ("nz", &["newzealandnorth"]),
    ("pl", &["polandcentral"]),
    ("qa", &["qatarcentral"]),
    ("se", &["swedencentral", "swedensouth"]),
    ("sg", &["southeastasia"]),
    ("us", &["centralus", "eastus", "eastus2", "northcentralus", "southcentralus", "westcentralus"]),
    ("us", &["westus", "westus2", "westus3"]),
    ("us", &["usdodcentral", "usdodeast", "usgovarizona", "usgovtexas", "usgovvirginia"]),
    ("za", &["southafricanorth", "southafricawest"]),
    ("tw", &["taiwannorth", "taiwannorthwest"]),
    ("sa", &["saudiarabiacentral"]),
];

/// The member states of the European Union.
const EU: &str = "at be bg cy cz de dk ee es fi fr gr hr hu ie it lt lu lv mt nl pl pt ro se si sk";

/// Every country of ISO 3166-1.
const COUNTRIES: &str = "ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bl bm bn \
    bo bq br bs bt bv bw by bz ca cc cd cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec \
    ee eg eh er es et fi fj fk fm fo fr ga gb gd ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr \
    ht hu id ie il im in io iq ir is it je jm jo jp ke kg kh ki km kn kp kr kw ky kz la lb lc li lk lr ls lt \
    lu lv ly ma mc md me mf mg mh mk ml mm mn mo mp mq mr ms mt mu mv mw mx my mz na nc ne nf ng ni nl no np \
    nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re ro rs ru rw sa sb sc sd se sg sh si sj sk sl \
    sm sn so sr ss st sv sx sy sz tc td tf tg th tj tk tl tm tn to tr tt tv tw tz ua ug um us uy uz va vc ve \
    vg vi vn vu wf ws ye yt za zm zw";

/// The place a manifest names; `None` when there is no such place. `us` is the zone, which is the country.
pub(crate) fn place(text: &str) -> Option<Geography> {
    match text {
        "global" => Some(Geography::Global),
        "eu" | "us" => Some(Geography::Zone(text.to_owned())),
        _ => COUNTRIES.split_whitespace().find(|code| *code == text).map(country),
    }
}

fn country(code: &str) -> Geography {
    let zone = match code {
        "us" => Some("us"),
        _ => EU.split_whitespace().any(|member| member == code).then_some("eu"),
    };
    Geography::Country { code: code.to_owned(), zone: zone.map(str::to_owned) }
}

/// The country of an Azure region, by the region's programmatic or display name.
pub(crate) fn region(name: &str) -> Option<Geography> {
    let name: String = name.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_lowercase()).collect();
    REGIONS.iter().find(|(_, regions)| regions.contains(&name.as_str())).map(|(code, _)| country(code))
}

/// The names of all regions, for suggestions.
pub(crate) fn regions() -> Vec<&'static str> {
    REGIONS.iter().flat_map(|(_, regions)| regions.iter().copied()).collect()
}

/// Whether a backend of this kind processes where it stands: one's own servers do, hosted services do only
/// where Azure says so by a SKU.
pub(crate) const fn stands_in_its_region(kind: BackendKind) -> bool {
    matches!(
        kind,
        BackendKind::Vllm
            | BackendKind::LlamaCpp
            | BackendKind::Kserve
            | BackendKind::AzureMl
            | BackendKind::Http
    )
}

/// Where a deployment on `backend` processes data, as far as region and SKU tell.
pub(crate) fn derived(backend: &Backend, sku: Option<Sku>) -> Option<Geography> {
    let at = || backend.region.as_deref().and_then(region);
    if backend.kind != BackendKind::AzureOpenai {
        return if stands_in_its_region(backend.kind) { at() } else { None };
    }
    match sku? {
        Sku::Standard | Sku::ProvisionedManaged => at(),
        Sku::DataZoneStandard | Sku::DataZoneProvisionedManaged | Sku::DataZoneBatch => match at()? {
            Geography::Country { zone: Some(zone), .. } => Some(Geography::Zone(zone)),
            // Offered in no such region as far as is known; what it would mean there is not.
            _ => None,
        },
        Sku::GlobalStandard | Sku::GlobalProvisionedManaged | Sku::GlobalBatch | Sku::DeveloperTier => {
            Some(Geography::Global)
        }
    }
}

/// What stands in the manifest for a place.
pub(crate) fn written(place: &Geography) -> Place {
    Place(place.name().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_region_lies_in_a_known_country_and_is_listed_once() {
        let mut all = regions();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        for (code, _) in REGIONS {
            assert!(place(code).is_some(), "{code}");
        }
        assert_eq!((COUNTRIES.split_whitespace().count(), EU.split_whitespace().count()), (249, 27));
    }

    #[test]
    fn a_region_is_known_by_both_of_its_names_and_an_unknown_one_is_not_guessed() {
        assert_eq!(region("swedencentral"), region("Sweden Central"));
        assert_eq!(region("swedencentral"), place("se"));
        assert_eq!(region("marsnorth"), None);
        assert_eq!(place("uk"), None, "ISO 3166-1 calls it gb");
    }

    #[test]
    fn europe_is_not_the_european_union() {
        let eu = place("eu").unwrap();
        for (name, inside) in [
            ("germanywestcentral", true),
            ("norwayeast", false),
            ("switzerlandnorth", false),
            ("uksouth", false),
        ] {
            assert_eq!(region(name).unwrap().within(&eu), inside, "{name}");
        }
    }
}
