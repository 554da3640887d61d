using Pascl.Kernels.Device;

namespace Pascl.Tests.Kernels;

/// <summary>
/// A matrix in device memory that may begin anywhere and have gaps between its rows. Gaps and margins are NaN: reading them spoils the result, and writing
/// to them shows.
/// </summary>
internal sealed class MatrixBuffer : IDisposable
{
    private const int Margin = 64;
    private const int Poison = 0x7FC0DEAD;

    private readonly DeviceBuffer<float> buffer;
    private readonly int columns;
    private readonly int stride;
    private readonly int first;
    private readonly int rows;

    /// <summary>Allocates a matrix.</summary>
    /// <param name="device">Where.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="columns">Elements of a row.</param>
    /// <param name="values">The elements; without them every element is poisoned, as fits an output.</param>
    /// <param name="gap">Elements between a row and the next.</param>
    /// <param name="offset">Elements by which the first misses an alignment of 256 bytes.</param>
    public MatrixBuffer(KernelDevice device, int rows, int columns, IReadOnlyList<double>? values = null, int gap = 0, int offset = 0)
    {
        (this.rows, this.columns, stride, first) = (rows, columns, columns + gap, Margin + offset);
        var all = new float[first + (rows * stride) + Margin];
        Array.Fill(all, BitConverter.Int32BitsToSingle(Poison));
        for (var i = 0; i < rows * columns && values is not null; i++)
        {
            all[Position(i)] = (float)values[i];
        }

        buffer = device.Allocate<float>(all);
    }

    public DeviceMatrix<float> Matrix => new(buffer.Vector.Slice(first, 0).Address, rows, columns, stride);

    /// <summary>The elements, row by row; fails where one was not written or something else was.</summary>
    public float[] Read()
    {
        var all = buffer.ToArray();
        var values = new float[rows * columns];
        var poisoned = Array.ConvertAll(all, value => BitConverter.SingleToInt32Bits(value) == Poison);
        var missing = 0;
        for (var i = 0; i < values.Length; i++)
        {
            values[i] = all[Position(i)];
            missing += poisoned[Position(i)] ? 1 : 0;
            poisoned[Position(i)] = true;
        }

        using (Assert.EnterMultipleScope())
        {
            Assert.That(missing, Is.Zero, "elements that were not written");
            Assert.That(Array.IndexOf(poisoned, false) - first, Is.LessThan(-Margin), "position, from the first element, where something was written outside");
        }

        return values;
    }

    public void Dispose() => buffer.Dispose();

    private int Position(int index) => first + (index / columns * stride) + (index % columns);
}
