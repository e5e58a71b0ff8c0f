//! Reservations, settles and limits, without IO.
