"""What a proof leaves to algebra: negated claims over integers in SMT-LIB, each unsatisfiable.

Ghost registers of the properties go along with a digit-by-digit algorithm; that they are what they
are called is shown here, by one step of induction over their values.
"""

from __future__ import annotations

from typing import Final

ROOT: Final = """
; A digit more: if square = root^2, then 4 square + digit (4 root + 1) = (2 root + digit)^2.
(declare-const root Int)
(declare-const digit Int)
(assert (or (= digit 0) (= digit 1)))
(assert (not (= (+ (* 4 root root) (* digit (+ (* 4 root) 1)))
                (* (+ (* 2 root) digit) (+ (* 2 root) digit)))))
(check-sat)
; square <= value <= square + 2 root says root <= sqrt(value) < root + 1.
(reset)
(declare-const root Int)
(declare-const value Int)
(assert (>= root 0))
(assert (<= (* root root) value (+ (* root root) (* 2 root))))
(assert (not (and (<= (* root root) value) (< value (* (+ root 1) (+ root 1))))))
(check-sat)
"""

RECIPROCAL: Final = """
; A digit more: if product = quotient value, then so it is of 2 quotient + digit.
(declare-const quotient Int)
(declare-const value Int)
(declare-const digit Int)
(assert (not (= (+ (* 2 quotient value) (* digit value)) (* (+ (* 2 quotient) digit) value))))
(check-sat)
; 0 <= dividend - quotient * value < value says quotient = floor(dividend / value).
(reset)
(declare-const quotient Int)
(declare-const value Int)
(declare-const dividend Int)
(assert (> value 0))
(assert (<= 0 (- dividend (* quotient value))))
(assert (< (- dividend (* quotient value)) value))
(assert (not (and (<= (* quotient value) dividend) (< dividend (* (+ quotient 1) value)))))
(check-sat)
"""

GEMM_ARRAY: Final = """
; Two fields of 18 bits in a sum of four products one + other 2**18: the low one is the sum of the
; ones, signed, the high one, plus one where that is negative, the sum of the others.
(define-fun product ((value Int)) Bool (<= (- 16256) value 16384))
(declare-const a Int) (declare-const b Int) (declare-const c Int) (declare-const d Int)
(declare-const e Int) (declare-const f Int) (declare-const g Int) (declare-const h Int)
(assert (and (product a) (product b) (product c) (product d)))
(assert (and (product e) (product f) (product g) (product h)))
(define-fun both () Int (+ a b c d (* 262144 (+ e f g h))))
(define-fun field () Int (mod both 262144))
(define-fun negative () Bool (>= field 131072))
(assert (not (and (= (+ a b c d) (ite negative (- field 262144) field))
                  (= (+ e f g h) (+ (div both 262144) (ite negative 1 0))))))
(check-sat)
; The product of a pair of weights is the pair of products.
(reset)
(declare-const one Int)
(declare-const other Int)
(declare-const x Int)
(assert (not (= (* (+ one (* 262144 other)) x) (+ (* one x) (* 262144 (* other x))))))
(check-sat)
"""

# Name: claim, text.
LEMMAS: Final = {
    "root": ("the ghost square of a root is its square; its bounds are those of the floor", ROOT),
    "reciprocal": (
        "the ghost product is quotient times value; its bounds are those of the floor",
        RECIPROCAL,
    ),
    "gemm_array": (
        "two fields of a sum of four packed products are the two sums of four",
        GEMM_ARRAY,
    ),
}
