using ILGPU;
using Pascl.Kernels;
using Pascl.Kernels.Device;
using Pascl.Tests.Processes;

namespace Pascl.Tests.Kernels;

[SimulatesGpu]
[TestFixtureSource(typeof(Devices), nameof(Devices.Names))]
public sealed class TensorCoreTests(string name)
{
    private const int Size = TensorCore.Size;
    private const int Warps = 2;

    // A row of 16 elements and 16 bytes of padding.
    private const int Pitch = 48;
    private const int MatrixBytes = Size * Pitch;

    private KernelDevice Device => Devices.Get(name);

    [Test]
    public void a_product_of_loaded_matrices_is_left_times_right_transposed() =>
        Check(Product, (left, right, row, column, k) => left[row, k] * right[column, k]);

    [Test]
    public void a_product_with_a_transposed_load_is_left_times_right() =>
        Check(ProductTransposed, (left, right, row, column, k) => left[row, k] * right[k, column]);

    [TestCase(1f, 0x3F80)]
    [TestCase(-2f, 0xC000)]
    [TestCase(1.00390625f, 0x3F80)]
    [TestCase(1.01171875f, 0x3F82)]
    [TestCase(3.3895314e38f, 0x7F7F)]
    [TestCase(float.PositiveInfinity, 0x7F80)]
    public void a_pair_is_rounded_to_the_nearest_even(float value, int bits)
    {
        using var output = new GuardedBuffer<uint>(Device, 2);
        Device.Load(Pair).Launch(new LaunchShape(1, 32), output.Vector, value, 0.5f);
        Assert.That(output.Read(), Is.EqualTo(new[] { (uint)bits | 0x3F00_0000, 0x3F00u | ((uint)bits << 16) }));
    }

    [Test]
    public void powers_of_two_are_right_to_the_special_function_unit_and_vanish_below_the_normal_numbers()
    {
        float[] exponents = [0, -1, -0.5f, -17.3f, -41.2f, -95.4f, -125.9f, 3.7f, -140, -1e30f];
        using var input = Device.Allocate<float>(exponents);
        using var output = new GuardedBuffer<float>(Device, exponents.Length);
        Device.Load(Power).Launch(new LaunchShape(1, 32), input.Vector, output.Vector, exponents.Length);
        double[] expected = [.. exponents.Select(exponent => Math.Pow(2, exponent))];
        Tolerance.AssertWithin(output.Read(), [.. expected.Select(power => power < 1e-40 ? 0 : power)], expected, Tolerance.Exponential(Tolerance.Single, 0));
    }

    private void Check(Action<ArrayView<uint>, long, ArrayView<float>> kernel, Func<float[,], float[,], int, int, int, float> term)
    {
        // Small integers: exact in bfloat16, and so are their sums in float32. Each warp has factors of its own.
        var random = new Random(7);
        var left = Enumerable.Range(0, Warps).Select(_ => Matrix(random)).ToArray();
        var right = Enumerable.Range(0, Warps).Select(_ => Matrix(random)).ToArray();
        using var input = Device.Allocate<uint>(left.Zip(right, (one, other) => Bits(one).Concat(Bits(other))).SelectMany(bits => bits).ToArray());
        using var output = new GuardedBuffer<float>(Device, Warps * Size * Size);
        var shape = new LaunchShape(1, 1, 32 * Warps, (2 * Warps * MatrixBytes) + (Device.IsSimulator ? TensorCore.SimulatorBytes(32 * Warps) : 0));
        Device.Load(kernel).Launch(shape, input.Vector, (long)input.Vector.Address, output.Vector);
        var expected = from warp in Enumerable.Range(0, Warps)
                       from row in Enumerable.Range(0, Size)
                       from column in Enumerable.Range(0, Size)
                       select row + (100 * column) + Enumerable.Range(0, Size).Sum(k => term(left[warp], right[warp], row, column, k));
        Assert.That(output.Read(), Is.EqualTo(expected));
    }

    private static float[,] Matrix(Random random)
    {
        var matrix = new float[Size, Size];
        for (var i = 0; i < matrix.Length; i++)
        {
            matrix[i / Size, i % Size] = random.Next(-100, 100);
        }

        return matrix;
    }

    private static IEnumerable<uint> Bits(float[,] matrix) =>
        matrix.Cast<float>().Chunk(2).Select(pair => ((BFloat16)pair[0]).Bits | ((uint)((BFloat16)pair[1]).Bits << 16));

    [Kernel(32 * Warps, NeedsTensorCores = true)]
    private static void Product(ArrayView<uint> input, long address, ArrayView<float> output)
    {
        var shared = SharedMemory.GetDynamic<uint>();
        var offset = LoadFactors(input, address, shared);
        var left = TensorCore.LoadLeft(shared, offset + TensorCore.LaneOffset(Pitch), Pitch);
        var right = TensorCore.LoadRight(shared, offset + MatrixBytes + TensorCore.RightLaneOffset(Pitch), Pitch);
        Store(output, TensorCore.MultiplyAccumulate(shared, Start(), left, right));
    }

    [Kernel(32 * Warps, NeedsTensorCores = true)]
    private static void ProductTransposed(ArrayView<uint> input, long address, ArrayView<float> output)
    {
        var shared = SharedMemory.GetDynamic<uint>();
        var offset = LoadFactors(input, address, shared);
        offset += TensorCore.LaneOffset(Pitch);
        var left = TensorCore.LoadLeft(shared, offset, Pitch);
        var right = TensorCore.LoadRightTransposed(shared, offset + MatrixBytes, Pitch);
        Store(output, TensorCore.MultiplyAccumulate(shared, Start(), left, right));
    }

    [Kernel(32)]
    private static void Pair(ArrayView<uint> output, float value, float other)
    {
        if (Group.IdxX < 2)
        {
            output[Group.IdxX] = Group.IdxX == 0 ? BFloat16Element.Pair(value, other) : BFloat16Element.Pair(other, value);
        }
    }

    [Kernel(32)]
    private static void Power(ArrayView<float> input, ArrayView<float> output, int length)
    {
        if (Group.IdxX < length)
        {
            output[Group.IdxX] = SpecialFunctions.Exp2(input[Group.IdxX]);
        }
    }

    // Both factors of each warp, one after the other; returns where this warp's begin.
    private static int LoadFactors(ArrayView<uint> input, long address, ArrayView<uint> shared)
    {
        for (var piece = Group.IdxX; piece < 2 * Warps * Size * 2; piece += Group.DimX)
        {
            TensorCore.CopyAsync(input, address, piece * 4, shared, (piece / 2 * Pitch) + (piece % 2 * TensorCore.CopyBytes));
        }

        TensorCore.CommitCopies();
        TensorCore.WaitForCopies();
        Group.Barrier();
        return Group.IdxX / 32 * 2 * MatrixBytes;
    }

    // row + 100 column, so that a product lands on what was there before.
    private static AccumulatorTile Start()
    {
        var (row, column) = (Group.IdxX % 32 / 4, 2 * (Group.IdxX % 4));
        return new AccumulatorTile
        {
            TopLeft0 = row + (100 * column),
            TopLeft1 = row + (100 * (column + 1)),
            BottomLeft0 = row + 8 + (100 * column),
            BottomLeft1 = row + 8 + (100 * (column + 1)),
            TopRight0 = row + (100 * (column + 8)),
            TopRight1 = row + (100 * (column + 9)),
            BottomRight0 = row + 8 + (100 * (column + 8)),
            BottomRight1 = row + 8 + (100 * (column + 9)),
        };
    }

    private static void Store(ArrayView<float> output, AccumulatorTile tile)
    {
        var start = (Group.IdxX / 32 * Size * Size) + (Group.IdxX % 32 / 4 * Size) + (2 * (Group.IdxX % 4));
        output[start] = tile.TopLeft0;
        output[start + 1] = tile.TopLeft1;
        output[start + (8 * Size)] = tile.BottomLeft0;
        output[start + (8 * Size) + 1] = tile.BottomLeft1;
        output[start + 8] = tile.TopRight0;
        output[start + 9] = tile.TopRight1;
        output[start + (8 * Size) + 8] = tile.BottomRight0;
        output[start + (8 * Size) + 9] = tile.BottomRight1;
    }
}
