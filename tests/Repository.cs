namespace Pascl.Tests;

/// <summary>Where the tests find the repository, its golden values and samples, and the large real data where a machine has them.</summary>
internal static class Repository
{
    private static readonly Lazy<string> root = new(FindRoot);

    public static string Root => root.Value;

    /// <summary>The folder of golden values: <c>PASCL_GOLDEN</c>, else the repository's own, which lie beside the tests.</summary>
    public static string Golden => Environment.GetEnvironmentVariable("PASCL_GOLDEN") ?? Path.Combine(AppContext.BaseDirectory, "Golden");

    /// <summary>The folder of drawn images, which lies beside the tests.</summary>
    public static string Samples => Path.Combine(AppContext.BaseDirectory, "Samples");

    /// <summary>The folder of real images, which need not exist: <c>PASCL_DATA</c>, else <c>../shared/data</c> beside the repository.</summary>
    public static string LargeData => Path.GetFullPath(Environment.GetEnvironmentVariable("PASCL_DATA") ?? Path.Combine(Root, "..", "shared", "data"));

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Pascl.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new InvalidOperationException("Pascl.sln was not found above the tests' folder.");
    }
}
