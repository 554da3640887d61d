using Pascl.Training.Data;

namespace Pascl.Tests.Training.Data;

/// <summary>Small image sets for tests.</summary>
internal static class Sets
{
    /// <summary>One 1 x 1 image per label; the bytes of image i are i.</summary>
    public static ImageSet WithLabels(int[] labels, int classCount)
    {
        var pixels = new PixelBlock(labels.Length, 1, 1);
        for (var i = 0; i < labels.Length; i++)
        {
            pixels.Writable(i).Fill((byte)i);
        }

        return new ImageSet("small", pixels, labels, [.. Enumerable.Range(0, classCount).Select(label => $"c{label}")]);
    }
}
