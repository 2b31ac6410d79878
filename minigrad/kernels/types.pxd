"""The number types of the kernels, and how one source becomes code for each of them.

A function with a `real` argument is compiled twice, for float and for double; one with a `vec` argument too, for the
vector register of each. Cython chooses by the types of the arguments alone, so a function that has none of the type
gets one that is never read, a NULL: `real* tag`, or `vec* lanes`:

    by_size(..., <float_lanes*> NULL)          # that of float lanes, please

With both kinds Cython makes all four pairs. The two that mix float with double have no meaning: the line

    if (real is float and vec is float_lanes) or (real is double and vec is double_lanes):

is decided when Cython translates, and leaves them empty. `direction* tag` makes two functions of one in the same way.
"""

ctypedef fused real:
    float
    double

# Vectors as wide as the registers that the code is built for: GCC keeps wider ones in memory, at a seventh of the
# speed. Compilers that know no vectors get one lane, and the same code is then plain scalar arithmetic.
cdef extern from *:
    """
    #if defined(__AVX512F__)
    #define WIDTH 64   /* bytes in a register */
    #elif defined(__AVX__)
    #define WIDTH 32
    #else
    #define WIDTH 16
    #endif

    #if defined(__GNUC__) || defined(__clang__)
    typedef float  float_lanes  __attribute__((vector_size(WIDTH), aligned(4), may_alias));
    typedef double double_lanes __attribute__((vector_size(WIDTH), aligned(8), may_alias));
    typedef float  float_octet  __attribute__((vector_size(32), aligned(4), may_alias));
    typedef double double_octet __attribute__((vector_size(64), aligned(8), may_alias));
    #else
    typedef float  float_lanes;
    typedef double double_lanes;
    #endif

    /* GCC would load a vector from memory once for each use; this makes it stay in its register. */
    #if defined(__AVX512F__) && defined(__GNUC__)
    #define HOLD(v) __asm__("" : "+v"(v))
    #elif defined(__SSE2__) && defined(__GNUC__)
    #define HOLD(v) __asm__("" : "+x"(v))
    #else
    #define HOLD(v)
    #endif
    """
    ctypedef float float_lanes
    ctypedef double double_lanes
    void HOLD(...) noexcept nogil

ctypedef fused vec:
    float_lanes
    double_lanes


cdef inline Py_ssize_t vector_size(real* tag) noexcept nogil:
    """How many numbers a register holds."""
    return sizeof(float_lanes) // sizeof(float) if real is float else sizeof(double_lanes) // sizeof(double)


cdef inline vec load(const real* p, vec* lanes) noexcept nogil:
    """The vector at p, in a register."""
    cdef vec v = (<const vec*> p)[0]
    HOLD(v)
    return v


cdef struct forward:
    char unused

cdef struct backward:
    char unused

ctypedef fused direction:
    forward
    backward
