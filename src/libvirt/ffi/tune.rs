//! Limits and weights of a domain: processors, memory, NUMA, disks. `virt` knows only a part of the names.

use super::{check, read_params};
use crate::floor::Map;
use std::ffi::{CString, c_int, c_uint};
use std::ptr;
use virt::domain::Domain;
use virt::error::Error;
use virt::sys;

/// The families of parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Family {
    Cpu,
    Memory,
    Numa,
    Disks,
}

/// The C type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum CType {
    Int,
    UInt,
    LLong,
    ULLong,
    Text,
}

impl CType {
    fn number(self) -> c_int {
        let number = match self {
            Self::Int => sys::VIR_TYPED_PARAM_INT,
            Self::UInt => sys::VIR_TYPED_PARAM_UINT,
            Self::LLong => sys::VIR_TYPED_PARAM_LLONG,
            Self::ULLong => sys::VIR_TYPED_PARAM_ULLONG,
            Self::Text => sys::VIR_TYPED_PARAM_STRING,
        };
        number.cast_signed()
    }
}

/// More than any scheduler has, and the most that a remote host can be asked for.
const SCHEDULER_PARAMETERS: c_int = 16;

type Getter = unsafe extern "C" fn(sys::virDomainPtr, sys::virTypedParameterPtr, *mut c_int, c_uint) -> c_int;
type Setter = unsafe extern "C" fn(sys::virDomainPtr, sys::virTypedParameterPtr, c_int, c_uint) -> c_int;

/// Sets parameters, given as text, which libvirt reads as the type says.
pub(in super::super) fn set_tuning(
    domain: &Domain,
    family: Family,
    values: &[(&str, CType, String)],
    flags: c_uint,
) -> Result<(), Error> {
    let set: Setter = match family {
        Family::Cpu => sys::virDomainSetSchedulerParametersFlags,
        Family::Memory => sys::virDomainSetMemoryParameters,
        Family::Numa => sys::virDomainSetNumaParameters,
        Family::Disks => sys::virDomainSetBlkioParameters,
    };
    let (mut array, mut count, mut room) = (ptr::null_mut(), 0, 0);
    let mut done = Ok(0);
    for (name, ty, value) in values {
        let (name, value) = (CString::new(*name)?, CString::new(value.as_str())?);
        // SAFETY: the three describe one array that libvirt allocates and enlarges; the texts outlive the call.
        done = check(unsafe {
            sys::virTypedParamsAddFromString(
                &raw mut array,
                &raw mut count,
                &raw mut room,
                name.as_ptr(),
                ty.number(),
                value.as_ptr(),
            )
        });
        if done.is_err() {
            break;
        }
    }
    // SAFETY: the domain is alive while it is borrowed; the array has `count` parameters.
    let done = done.and_then(|_| check(unsafe { set(domain.as_ptr(), array, count, flags) }));
    // SAFETY: libvirt allocated the array, or it is null, which is allowed; it is not used again.
    unsafe { sys::virTypedParamsFree(array, count) };
    done.map(drop)
}

/// The parameters of a family as they are.
pub(in super::super) fn tuning(domain: &Domain, family: Family, flags: c_uint) -> Result<Map, Error> {
    let get: Getter = match family {
        Family::Cpu => sys::virDomainGetSchedulerParametersFlags,
        Family::Memory => sys::virDomainGetMemoryParameters,
        Family::Numa => sys::virDomainGetNumaParameters,
        Family::Disks => sys::virDomainGetBlkioParameters,
    };
    let mut count = 0;
    // Only these two have texts, and not every driver knows the flag elsewhere.
    let texts = matches!(family, Family::Numa | Family::Disks);
    let flags = if texts { flags | sys::VIR_TYPED_PARAM_STRING_OKAY } else { flags };
    if family == Family::Cpu {
        // The number would come with the scheduler's name, which a running domain has only with control groups.
        count = SCHEDULER_PARAMETERS;
    } else {
        // SAFETY: the domain is alive; without an array libvirt only says how many parameters there are.
        check(unsafe { get(domain.as_ptr(), ptr::null_mut(), &raw mut count, flags) })?;
    }
    // SAFETY: a parameter of zeros is one without a name and a type.
    let mut params: Vec<sys::virTypedParameter> = (0..count.max(0)).map(|_| unsafe { std::mem::zeroed() }).collect();
    // SAFETY: the array has room for `count` parameters, which libvirt fills; texts in them are ours to free.
    unsafe {
        // libvirt's test driver refuses the flags that libvirt itself adds to the newer call.
        check(if family == Family::Cpu && flags == 0 {
            sys::virDomainGetSchedulerParameters(domain.as_ptr(), params.as_mut_ptr(), &raw mut count)
        } else {
            get(domain.as_ptr(), params.as_mut_ptr(), &raw mut count, flags)
        })?;
        let found = read_params(params.as_mut_ptr(), usize::try_from(count).unwrap_or_default());
        sys::virTypedParamsClear(params.as_mut_ptr(), count);
        Ok(found)
    }
}
