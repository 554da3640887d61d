namespace Pascl.Training.Data.Formats;

/// <summary>An image file of a tree and the class of the image, or <see cref="ImageSet.NoClass"/>.</summary>
internal readonly record struct ImageFile(string Name, int Label)
{
    private static readonly string[] endings = [".jpg", ".jpeg", ".png", ".bmp", ".webp"];

    public static bool HasImageName(string name) => endings.Any(ending => name.EndsWith(ending, StringComparison.OrdinalIgnoreCase));
}
