using System.Diagnostics;

namespace Pascl.Tests.Packages;

/// <summary>A project outside the repository that takes Pascl from a folder of packages, as a user's would.</summary>
internal sealed class FreshProject : IDisposable
{
    private const string Feed = "feed";

    private readonly TemporaryFolder folder = new();
    private readonly string version = $"0.0.1-test{DateTime.UtcNow.Ticks}";

    /// <summary>Packs a project of the repository, as it was built for these tests.</summary>
    /// <param name="project">Its folder below <c>src</c>.</param>
    public void Pack(string project) => Dotnet(
        Repository.Root, "pack", Path.Combine("src", project), "--no-build", "-c", Configuration, "-o", Path.Combine(folder.Path, Feed), $"-p:Version={version}");

    /// <summary>Builds and runs a program that references one package, and returns what it prints.</summary>
    public string Run(string package, string program)
    {
        folder.Write("nuget.config", $"<configuration><packageSources><add key=\"{Feed}\" value=\"{Feed}\" /></packageSources></configuration>");
        folder.Write("Program.cs", program);
        folder.Write(
            "Fresh.csproj",
            $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                <OutputType>Exe</OutputType>
                <TargetFramework>net10.0</TargetFramework>
                <ImplicitUsings>enable</ImplicitUsings>
                <Nullable>enable</Nullable>
              </PropertyGroup>
              <ItemGroup>
                <PackageReference Include="{package}" Version="{version}" />
              </ItemGroup>
            </Project>
            """);
        return Dotnet(folder.Path, "run");
    }

    /// <summary>Deletes the project, and what its restore left in the machine's cache of packages.</summary>
    public void Dispose()
    {
        folder.Dispose();
        var cache = Environment.GetEnvironmentVariable("NUGET_PACKAGES")
            ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
        foreach (var package in Directory.GetDirectories(cache, "pascl.*").Select(package => Path.Combine(package, version)).Where(Directory.Exists))
        {
            Directory.Delete(package, recursive: true);
        }
    }

    private static string Configuration => AppContext.BaseDirectory.Contains($"{Path.DirectorySeparatorChar}Release{Path.DirectorySeparatorChar}", StringComparison.Ordinal)
        ? "Release"
        : "Debug";

    private static string Dotnet(string directory, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("dotnet", arguments)
        {
            WorkingDirectory = directory,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.That(process.ExitCode, Is.Zero, $"dotnet {string.Join(' ', arguments)}\n{output}{error.Result}");
        return output;
    }
}
