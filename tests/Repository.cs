namespace Pascl.Tests;

/// <summary>Where the tests find the repository and the shared real data; tests that need data which is not there are skipped with a reason.</summary>
internal static class Repository
{
    public static string Root { get; } = FindRoot();

    /// <summary>The folder of real images: <c>PASCL_DATA</c>, else <c>../shared/data</c> beside the repository.</summary>
    public static string Data => Existing(Environment.GetEnvironmentVariable("PASCL_DATA") ?? Path.Combine(Root, "..", "shared", "data"), "PASCL_DATA");

    /// <summary>The folder of golden values: <c>PASCL_GOLDEN</c>, else <c>../shared/golden</c> beside the repository.</summary>
    public static string Golden => Existing(Environment.GetEnvironmentVariable("PASCL_GOLDEN") ?? Path.Combine(Root, "..", "shared", "golden"), "PASCL_GOLDEN");

    private static string Existing(string folder, string variable)
    {
        if (!Directory.Exists(folder))
        {
            Assert.Ignore($"{folder} does not exist; set {variable} to run this test.");
        }

        return Path.GetFullPath(folder);
    }

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
