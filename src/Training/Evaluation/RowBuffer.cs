using System.Runtime.InteropServices;
using TorchSharp;

namespace Pascl.Training.Evaluation;

/// <summary>Collects the rows of one batch after the other in one array.</summary>
/// <param name="count">How many rows there will be in all.</param>
internal sealed class RowBuffer(int count)
{
    private int filled;

    /// <summary>The rows so far, and zeros for those to come.</summary>
    public float[] Values { get; private set; } = [];

    /// <summary>Length of a row.</summary>
    public int Columns { get; private set; }

    /// <summary>Appends a (rows, columns) tensor of any type on any device.</summary>
    public void Append(torch.Tensor rows)
    {
        if (filled == 0)
        {
            Columns = (int)rows.shape[1];
            Values = new float[(long)count * Columns];
        }

        var values = MemoryMarshal.Cast<byte, float>(rows.to(torch.float32).cpu().contiguous().bytes);
        values.CopyTo(Values.AsSpan(filled));
        filled += values.Length;
    }
}
