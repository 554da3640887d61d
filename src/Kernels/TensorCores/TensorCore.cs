using System.Runtime.CompilerServices;
using ILGPU;
using ILGPU.Runtime.Cuda;

namespace Pascl.Kernels;

/// <summary>
/// Tensor-core products, loads of their factors and asynchronous copies, inside a kernel. On a GPU each is one or two instructions in inline PTX; on the
/// simulator the same registers of the same lanes are computed in C#, so that it checks where every element lies.
/// </summary>
/// <remarks>
/// Every thread of the block must call the loads and the product. Offsets are bytes from the start of dynamic shared memory. That must be all the shared memory
/// of the kernel, and the kernel asks for it once, because on the simulator each request is memory of its own. Rows start at multiples of 16 bytes. On the
/// simulator the block needs <see cref="SimulatorBytes"/> more of it.
/// What only the simulator does is in methods that are not inlined: so the compiler to GPU code takes them up, and drops them, as one call.
/// </remarks>
internal static class TensorCore
{
    /// <summary>Rows and columns of a <see cref="Fragment"/> and an <see cref="AccumulatorTile"/>.</summary>
    public const int Size = 16;

    /// <summary>Bytes that <see cref="CopyAsync"/> copies.</summary>
    public const int CopyBytes = 16;

    private const int Registers = 8;

    // The address of a block's dynamic shared memory, plus a byte offset.
    private const string AddressOfLast = "{ .reg .u32 address; mov.u32 address, __dyn_shared_alloca; add.u32 address, address, %4; ";
    private const string AddressOfFirst = "{ .reg .u32 address; mov.u32 address, __dyn_shared_alloca; add.u32 address, address, %0; ";
    private const string LoadRows = AddressOfLast + "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [address]; }";
    private const string LoadColumns = AddressOfLast + "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [address]; }";
    private const string Multiply = "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 ";

    /// <summary>Dynamic shared memory that the simulator needs beyond the kernel's own, at its end.</summary>
    /// <param name="threads">Threads of the block.</param>
    public static int SimulatorBytes(int threads) => threads * Registers * sizeof(uint);

    /// <summary>
    /// What a lane adds to the offsets that it gives to <see cref="LoadLeft"/> and <see cref="LoadRightTransposed"/>: lane by lane the instruction is pointed
    /// to rows of eight elements. Added once, before a loop, it leaves numbers to the loop that are part of the instruction. 0 on the simulator.
    /// </summary>
    /// <param name="pitch">Bytes from row to row.</param>
    public static int LaneOffset(int pitch) => CudaAsm.IsSupported ? LeftRow(ThreadPlace.Lane, pitch) : 0;

    /// <summary>The same for <see cref="LoadRight"/>.</summary>
    public static int RightLaneOffset(int pitch) => CudaAsm.IsSupported ? RightRow(ThreadPlace.Lane, pitch) : 0;

    /// <summary>Loads a 16 x 16 matrix from shared memory, as a left factor.</summary>
    /// <param name="shared">The block's dynamic shared memory.</param>
    /// <param name="offset">Of its first element, plus what belongs to the lane.</param>
    /// <param name="pitch">Bytes from row to row.</param>
    public static Fragment LoadLeft(ArrayView<uint> shared, int offset, int pitch)
    {
        if (CudaAsm.IsSupported)
        {
            var loaded = default(Fragment);
            Output<uint> first = default, second = default, third = default, fourth = default;
            Input<int> address = offset;
            CudaAsm.EmitRef(LoadRows, ref first, ref second, ref third, ref fourth, ref address);
            loaded.TopLeft = first.Value;
            loaded.BottomLeft = second.Value;
            loaded.TopRight = third.Value;
            loaded.BottomRight = fourth.Value;
            return loaded;
        }

        return SimulateLeft(shared, offset, pitch);
    }

    /// <summary>
    /// Loads a matrix as a right factor; the parameters are those of <see cref="LoadLeft"/>. The registers of a row lie side by side, as the product takes them
    /// of its right factor.
    /// </summary>
    public static Fragment LoadRight(ArrayView<uint> shared, int offset, int pitch)
    {
        if (CudaAsm.IsSupported)
        {
            var loaded = default(Fragment);
            Output<uint> first = default, second = default, third = default, fourth = default;
            Input<int> address = offset;
            CudaAsm.EmitRef(LoadRows, ref first, ref second, ref third, ref fourth, ref address);
            loaded.TopLeft = first.Value;
            loaded.TopRight = second.Value;
            loaded.BottomLeft = third.Value;
            loaded.BottomRight = fourth.Value;
            return loaded;
        }

        return SimulateRight(shared, offset, pitch);
    }

    /// <summary>Loads the transpose of a matrix as a right factor; the parameters are those of <see cref="LoadLeft"/>.</summary>
    public static Fragment LoadRightTransposed(ArrayView<uint> shared, int offset, int pitch)
    {
        if (CudaAsm.IsSupported)
        {
            // The instruction transposes each 8 x 8 quarter; the two off the diagonal change places.
            var loaded = default(Fragment);
            Output<uint> first = default, second = default, third = default, fourth = default;
            Input<int> address = offset;
            CudaAsm.EmitRef(LoadColumns, ref first, ref second, ref third, ref fourth, ref address);
            loaded.TopLeft = first.Value;
            loaded.TopRight = second.Value;
            loaded.BottomLeft = third.Value;
            loaded.BottomRight = fourth.Value;
            return loaded;
        }

        return SimulateRightTransposed(shared, offset, pitch);
    }

    /// <summary>sum + left right^T, each 16 x 16: bfloat16 products, summed in float32.</summary>
    /// <param name="shared">The block's dynamic shared memory; the simulator exchanges registers at its end.</param>
    /// <param name="sum">What is added to.</param>
    /// <param name="left">The factor whose rows are rows of the result.</param>
    /// <param name="right">The factor whose rows are columns of the result.</param>
    public static AccumulatorTile MultiplyAccumulate(ArrayView<uint> shared, AccumulatorTile sum, Fragment left, Fragment right)
    {
        if (CudaAsm.IsSupported)
        {
            Ref<float> c0 = sum.TopLeft0, c1 = sum.TopLeft1, c2 = sum.BottomLeft0, c3 = sum.BottomLeft1;
            Ref<float> c4 = sum.TopRight0, c5 = sum.TopRight1, c6 = sum.BottomRight0, c7 = sum.BottomRight1;
            Input<uint> a0 = left.TopLeft, a1 = left.BottomLeft, a2 = left.TopRight, a3 = left.BottomRight;
            Input<uint> b0 = right.TopLeft, b1 = right.TopRight, b2 = right.BottomLeft, b3 = right.BottomRight;
            CudaAsm.EmitRef(
                Multiply + "{%0, %1, %2, %3}, {%8, %9, %10, %11}, {%12, %13}, {%0, %1, %2, %3}; "
                + Multiply + "{%4, %5, %6, %7}, {%8, %9, %10, %11}, {%14, %15}, {%4, %5, %6, %7};",
                ref c0,
                ref c1,
                ref c2,
                ref c3,
                ref c4,
                ref c5,
                ref c6,
                ref c7,
                ref a0,
                ref a1,
                ref a2,
                ref a3,
                ref b0,
                ref b1,
                ref b2,
                ref b3);
            sum.TopLeft0 = c0.Value;
            sum.TopLeft1 = c1.Value;
            sum.BottomLeft0 = c2.Value;
            sum.BottomLeft1 = c3.Value;
            sum.TopRight0 = c4.Value;
            sum.TopRight1 = c5.Value;
            sum.BottomRight0 = c6.Value;
            sum.BottomRight1 = c7.Value;
            return sum;
        }

        return Simulate(shared, sum, left, right);
    }

    /// <summary>The number in the low half of a pair.</summary>
    public static float First(uint pair) => Interop.IntAsFloat(pair << 16);

    /// <summary>The number in the high half of a pair.</summary>
    public static float Second(uint pair) => Interop.IntAsFloat(pair & 0xFFFF_0000);

    /// <summary>Starts to copy 16 bytes from global to shared memory.</summary>
    /// <param name="source">The global memory.</param>
    /// <param name="address">Of its first element.</param>
    /// <param name="index">The first element to copy; its address is a multiple of 16.</param>
    /// <param name="shared">The block's dynamic shared memory.</param>
    /// <param name="offset">Where to, in bytes; a multiple of 16.</param>
    public static void CopyAsync(ArrayView<uint> source, long address, long index, ArrayView<uint> shared, int offset)
    {
        if (CudaAsm.IsSupported)
        {
            CudaAsm.Emit(AddressOfFirst + "cp.async.cg.shared.global [address], [%1], 16; }", offset, address + (index * sizeof(uint)));
        }
        else
        {
            SimulateCopy(source, index, shared, offset);
        }
    }

    /// <summary>Makes a group of the copies that this thread started since the last group.</summary>
    public static void CommitCopies()
    {
        if (CudaAsm.IsSupported)
        {
            CudaAsm.Emit("cp.async.commit_group;");
        }
    }

    /// <summary>Waits for this thread's copies. A barrier must follow before other threads read.</summary>
    public static void WaitForCopies()
    {
        if (CudaAsm.IsSupported)
        {
            CudaAsm.Emit("cp.async.wait_group 0;");
        }
    }

    /// <summary>Waits for this thread's copies but those of the last group. A barrier must follow before other threads read.</summary>
    public static void WaitForCopiesButLast()
    {
        if (CudaAsm.IsSupported)
        {
            CudaAsm.Emit("cp.async.wait_group 1;");
        }
    }

    /// <summary>Keeps the compiler from moving loads and products across this place, where it would run out of registers. It costs the warp a few cycles.</summary>
    public static void KeepOrder()
    {
        if (CudaAsm.IsSupported)
        {
            CudaAsm.Emit("bar.warp.sync 0xffffffff;");
        }
    }

    // Which row of eight elements a lane points the instruction to: lanes 0..7 give the rows of the first 8 x 8 quarter, and so on. The second quarter is the
    // lower left one, and of a right factor the upper right one.
    private static int LeftRow(int lane, int pitch) => ((lane & 15) * pitch) + ((lane >> 4) * CopyBytes);

    private static int RightRow(int lane, int pitch) => (((lane & 7) + ((lane >> 4) << 3)) * pitch) + (((lane >> 3) & 1) * CopyBytes);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Fragment SimulateLeft(ArrayView<uint> shared, int offset, int pitch)
    {
        var loaded = default(Fragment);
        var lane = ThreadPlace.Lane;
        loaded.TopLeft = Pair(shared, offset + LeftRow(lane / 4, pitch));
        loaded.BottomLeft = Pair(shared, offset + LeftRow(8 + (lane / 4), pitch));
        loaded.TopRight = Pair(shared, offset + LeftRow(16 + (lane / 4), pitch));
        loaded.BottomRight = Pair(shared, offset + LeftRow(24 + (lane / 4), pitch));
        return loaded;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Fragment SimulateRight(ArrayView<uint> shared, int offset, int pitch)
    {
        var loaded = default(Fragment);
        var lane = ThreadPlace.Lane;
        loaded.TopLeft = Pair(shared, offset + RightRow(lane / 4, pitch));
        loaded.TopRight = Pair(shared, offset + RightRow(8 + (lane / 4), pitch));
        loaded.BottomLeft = Pair(shared, offset + RightRow(16 + (lane / 4), pitch));
        loaded.BottomRight = Pair(shared, offset + RightRow(24 + (lane / 4), pitch));
        return loaded;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Fragment SimulateRightTransposed(ArrayView<uint> shared, int offset, int pitch)
    {
        var loaded = default(Fragment);
        loaded.TopLeft = Column(shared, 0, offset, pitch);
        loaded.TopRight = Column(shared, 1, offset, pitch);
        loaded.BottomLeft = Column(shared, 2, offset, pitch);
        loaded.BottomRight = Column(shared, 3, offset, pitch);
        return loaded;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void SimulateCopy(ArrayView<uint> source, long index, ArrayView<uint> shared, int offset)
    {
        for (var i = 0; i < CopyBytes / sizeof(uint); i++)
        {
            shared[(offset / sizeof(uint)) + i] = source[index + i];
        }
    }

    // The lane's two elements of a row.
    private static uint Pair(ArrayView<uint> shared, int row) => shared[(row / sizeof(uint)) + (ThreadPlace.Lane % 4)];

    private static uint Column(ArrayView<uint> shared, int quarter, int offset, int pitch)
    {
        var lane = ThreadPlace.Lane;
        var (column, row) = (lane / 4, (quarter * 8) + (2 * (lane % 4)));
        return Half(shared, offset + LeftRow(row, pitch), column) | (Half(shared, offset + LeftRow(row + 1, pitch), column) << 16);
    }

    private static uint Half(ArrayView<uint> shared, int offset, int index) => (shared[(offset / sizeof(uint)) + (index / 2)] >> (16 * (index % 2))) & 0xFFFF;

    // The lanes show one another their registers, and each sums its own elements.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static AccumulatorTile Simulate(ArrayView<uint> shared, AccumulatorTile sum, Fragment left, Fragment right)
    {
        var start = shared.IntLength - (Registers * Group.DimX);
        var own = start + (Registers * Group.IdxX);
        shared[own] = left.TopLeft;
        shared[own + 1] = left.BottomLeft;
        shared[own + 2] = left.TopRight;
        shared[own + 3] = left.BottomRight;
        shared[own + 4] = right.TopLeft;
        shared[own + 5] = right.BottomLeft;
        shared[own + 6] = right.TopRight;
        shared[own + 7] = right.BottomRight;
        Group.Barrier();
        var lane = ThreadPlace.Lane;
        var warp = start + (Registers * (Group.IdxX - lane));
        var (row, column) = (lane / 4, 2 * (lane % 4));
        for (var k = 0; k < Size; k++)
        {
            float top = Element(shared, warp, row, k), bottom = Element(shared, warp, row + 8, k);
            float first = Element(shared, warp + 4, column, k), second = Element(shared, warp + 4, column + 1, k);
            float ninth = Element(shared, warp + 4, column + 8, k), tenth = Element(shared, warp + 4, column + 9, k);
            sum.TopLeft0 += top * first;
            sum.TopLeft1 += top * second;
            sum.BottomLeft0 += bottom * first;
            sum.BottomLeft1 += bottom * second;
            sum.TopRight0 += top * ninth;
            sum.TopRight1 += top * tenth;
            sum.BottomRight0 += bottom * ninth;
            sum.BottomRight1 += bottom * tenth;
        }

        Group.Barrier();
        return sum;
    }

    // Element (row, column) of the fragment whose registers begin at warp.
    private static float Element(ArrayView<uint> shared, int warp, int row, int column)
    {
        var lane = (row % 8 * 4) + (column % 8 / 2);
        var pair = shared[warp + (Registers * lane) + (row / 8) + (column / 8 * 2)];
        return column % 2 == 0 ? First(pair) : Second(pair);
    }
}

/// <summary>
/// One lane's share of a 16 x 16 matrix in bfloat16 that a warp holds as a factor. With g = lane / 4 and q = lane % 4, each register holds the columns 2q (low
/// half) and 2q + 1 of row g or g + 8, of the left or the right eight columns. Source: PTX ISA, fragments of mma.m16n8k16.
/// </summary>
internal struct Fragment
{
    /// <summary>Row g, columns 2q and 2q + 1.</summary>
    public uint TopLeft;

    /// <summary>Row g + 8, columns 2q and 2q + 1.</summary>
    public uint BottomLeft;

    /// <summary>Row g, columns 2q + 8 and 2q + 9.</summary>
    public uint TopRight;

    /// <summary>Row g + 8, columns 2q + 8 and 2q + 9.</summary>
    public uint BottomRight;
}
