//! Stands in for the recorder in builds without export: a type with no values, so the calls below cannot
//! be reached. It owns nothing and refuses everything.

use vocabulary::Reason;
use vocabulary::admin::shadow::Differs;

use crate::settled::{
    AttemptSettled, Deployment, HookSettled, Method, Readings, Reload, RequestSettled, Scheme, WafSettled,
};

pub(crate) enum Recorder {}

impl Recorder {
    pub(crate) fn active(&self, _: Method, _: Scheme, _: i64) {
        match *self {}
    }
    pub(crate) fn request(&self, _: &RequestSettled<'_>) {
        match *self {}
    }
    pub(crate) fn attempt(&self, _: &AttemptSettled<'_>) {
        match *self {}
    }
    pub(crate) fn waf(&self, _: &WafSettled<'_>) {
        match *self {}
    }
    pub(crate) fn hook(&self, _: &HookSettled<'_>) {
        match *self {}
    }
    pub(crate) fn compared(&self, _: Option<(Differs, Option<Reason>)>) {
        match *self {}
    }
    pub(crate) fn declare(&self, _: &[Deployment<'_>]) {
        match *self {}
    }
    pub(crate) fn publish(&self, _: Readings) {
        match *self {}
    }
    pub(crate) fn generation(&self, _: u64) {
        match *self {}
    }
    pub(crate) fn reload(&self, _: Reload) {
        match *self {}
    }
}
