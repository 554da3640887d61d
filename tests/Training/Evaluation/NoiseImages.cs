using Pascl.Training.Data;

namespace Pascl.Tests.Training.Evaluation;

/// <summary>Images of 8 by 8 random bytes.</summary>
internal static class NoiseImages
{
    public static ImageSet Set(int count) => new("noise", Block(count), [.. Enumerable.Repeat(ImageSet.NoClass, count)], []);

    public static PixelBlock Block(int count)
    {
        var block = new PixelBlock(count, 8, 8);
        var random = new Random(3);
        for (var i = 0; i < count; i++)
        {
            random.NextBytes(block.Writable(i));
        }

        return block;
    }
}
