namespace Pascl.Kernels;

/// <summary>What is fixed when a tensor-core kernel of the contrastive loss is compiled.</summary>
internal interface ITensorCoreTile
{
    /// <summary>Columns of a row, padded with zeros: 64, 128 or 256.</summary>
    int Width { get; }

    /// <summary>How many rows the block compares its own with at a time: 32 or 64.</summary>
    int Columns { get; }

    /// <summary>1: rows are rounded to bfloat16; 2: they are the sum of two bfloat16.</summary>
    int Parts { get; }

    /// <summary>Tiles of columns in shared memory: with 2 the next is copied while one is used.</summary>
    int Stages { get; }
}
