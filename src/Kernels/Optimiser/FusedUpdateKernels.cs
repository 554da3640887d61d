using System.Runtime.InteropServices;
using ILGPU;
using ILGPU.Algorithms;
using Pascl.Kernels.Device;

namespace Pascl.Kernels;

/// <summary>
/// Device code of <see cref="FusedUpdate"/>: each block updates a part of one tensor. Addresses come from the table, because a gradient lies where torch put it.
/// </summary>
internal static unsafe class FusedUpdateKernels
{
    public const int Threads = 256;

    /// <summary>A few for each thread, so that a block's fixed cost, the row of the table, is shared.</summary>
    public const int ElementsPerBlock = 8 * Threads;

    /// <summary>
    /// g += decay x;  m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g g;  x += rate m / (sqrt(v) / correction + epsilon), rounded as torch's
    /// <c>add, mul_, add_, mul_, addcmul_, sqrt, div_, add_, addcdiv_</c> are.
    /// </summary>
    /// <remarks>Root and quotients are exact, as torch's are, and call subroutines for unusual numbers.</remarks>
    [Kernel(Threads, MayDivide = true)]
    public static void Adam(
        ArrayView<UpdateRow> table, ArrayView<int> owners, float weightDecay, float beta1, float ofGradient, float beta2, float ofSquare, float epsilon)
    {
        var row = table[owners[Grid.IdxX]];
        if (row.Gradient == 0)
        {
            return;
        }

        float* values = (float*)row.Values, gradients = (float*)row.Gradient, first = (float*)row.First, second = (float*)row.Second;
        var copy = (BFloat16*)row.Copy;
        var end = End(row);
        for (var i = Start(row); i < end; i += Group.DimX)
        {
            var value = values[i];
            var gradient = weightDecay == 0 ? gradients[i] : Rounded.MultiplyAdd(weightDecay, value, gradients[i]);
            var mean = Rounded.MultiplyAdd(gradient, ofGradient, Rounded.Multiply(first[i], beta1));
            var square = Rounded.MultiplyAdd(Rounded.Multiply(ofSquare, gradient), gradient, Rounded.Multiply(second[i], beta2));
            var spread = Rounded.Add(XMath.Sqrt(square) / row.Correction, epsilon);
            value = Rounded.Add(value, Rounded.Multiply(row.Rate, mean) / spread);
            first[i] = mean;
            second[i] = square;
            values[i] = value;
            if (row.Copy != 0)
            {
                copy[i] = (BFloat16)value;
            }
        }
    }

    /// <summary>
    /// g += decay x;  u = momentum u + g;  x += rate (Nesterov: g + momentum u; otherwise u; without momentum g), rounded as torch's <c>add, mul_, add_, add, add_</c> are.
    /// </summary>
    [Kernel(Threads)]
    public static void Sgd(ArrayView<UpdateRow> table, ArrayView<int> owners, float weightDecay, float momentum, int nesterov)
    {
        var row = table[owners[Grid.IdxX]];
        if (row.Gradient == 0)
        {
            return;
        }

        float* values = (float*)row.Values, gradients = (float*)row.Gradient, velocities = (float*)row.First;
        var copy = (BFloat16*)row.Copy;
        var end = End(row);
        for (var i = Start(row); i < end; i += Group.DimX)
        {
            var value = values[i];
            var direction = weightDecay == 0 ? gradients[i] : Rounded.MultiplyAdd(weightDecay, value, gradients[i]);
            if (momentum != 0)
            {
                var velocity = Rounded.Add(Rounded.Multiply(velocities[i], momentum), direction);
                velocities[i] = velocity;
                direction = nesterov != 0 ? Rounded.MultiplyAdd(momentum, velocity, direction) : velocity;
            }

            value = Rounded.MultiplyAdd(row.Rate, direction, value);
            values[i] = value;
            if (row.Copy != 0)
            {
                copy[i] = (BFloat16)value;
            }
        }
    }

    private static long Start(UpdateRow row) => ((long)(Grid.IdxX - row.FirstBlock) * ElementsPerBlock) + Group.IdxX;

    private static long End(UpdateRow row) => Math.Min((long)(Grid.IdxX - row.FirstBlock + 1) * ElementsPerBlock, row.Length);
}

/// <summary>A tensor in the table of <see cref="FusedUpdate"/>: addresses, 0 for none, and the rates of the step.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct UpdateRow
{
    public long Values;
    public long Gradient;
    public long First;
    public long Second;
    public long Copy;
    public long Length;
    public int FirstBlock;
    public float Rate;
    public float Correction;
}
