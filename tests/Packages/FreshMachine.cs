using System.Diagnostics;
using System.IO.Compression;

namespace Pascl.Tests.Packages;

/// <summary>
/// Projects outside the repository that take Pascl from a folder of packages, as on a machine that has no packages yet: theirs start out empty. What they need of
/// others comes from the files that the repository's own restore has left, so nothing is downloaded.
/// </summary>
internal sealed class FreshMachine : IDisposable
{
    private const string Version = "0.0.1-test";

    private readonly TemporaryFolder folder = new();

    public FreshMachine()
    {
        var restored = Environment.GetEnvironmentVariable("NUGET_PACKAGES")
            ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
        folder.Write(
            "nuget.config",
            $"<configuration><packageSources><clear /><add key=\"ours\" value=\"{Feed}\" /><add key=\"others\" value=\"{restored}\" /></packageSources></configuration>");
    }

    /// <summary>Where the projects' packages are restored to.</summary>
    public string Packages => Path.Combine(folder.Path, "packages");

    /// <summary>The folder that holds what was packed.</summary>
    public string Feed => Path.Combine(folder.Path, "feed");

    private static string Configuration => AppContext.BaseDirectory.Contains($"{Path.DirectorySeparatorChar}Release{Path.DirectorySeparatorChar}", StringComparison.Ordinal)
        ? "Release"
        : "Debug";

    /// <summary>Packs a project of the repository, as it was built for these tests.</summary>
    /// <param name="project">Its folder below <c>src</c>.</param>
    public void Pack(string project) => Succeed(Start(
        Repository.Root, null, "pack", Path.Combine("src", project), "--no-build", "-c", Configuration, "-o", Feed, $"-p:Version={Version}"));

    /// <summary>Writes a project of one program that references one package, and returns its folder.</summary>
    /// <param name="name">The project's name.</param>
    /// <param name="language"><c>cs</c>, <c>fs</c> or <c>vb</c>.</param>
    /// <param name="package">The package's name.</param>
    /// <param name="program">The program's text.</param>
    public string Write(string name, string language, string package, string program)
    {
        folder.Write(Path.Combine(name, $"Program.{language}"), program);
        folder.Write(
            Path.Combine(name, $"{name}.{language}proj"),
            $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                <OutputType>Exe</OutputType>
                <TargetFramework>net10.0</TargetFramework>
                <ImplicitUsings>enable</ImplicitUsings>
                <Nullable>enable</Nullable>
                <!-- Copying 800 MB of native libraries would test the disk alone. -->
                <CreateHardLinksForCopyLocalIfPossible>true</CreateHardLinksForCopyLocalIfPossible>
              </PropertyGroup>
              <ItemGroup>
                {(language == "fs" ? "<Compile Include=\"Program.fs\" />" : "")}
                <PackageReference Include="{package}" Version="{Version}" />
              </ItemGroup>
            </Project>
            """);
        return Path.Combine(folder.Path, name);
    }

    /// <summary>What a package that was packed here says of itself, its dependencies among it.</summary>
    public string Specification(string package)
    {
        using var archive = ZipFile.OpenRead(Path.Combine(Feed, $"{package}.{Version}.nupkg"));
        using var reader = new StreamReader(archive.GetEntry($"{package}.nuspec")!.Open());
        return reader.ReadToEnd();
    }

    /// <summary>Publishes a project of the repository, as it was built for these tests and without libtorch.</summary>
    /// <returns>The folder.</returns>
    public string Publish(string project)
    {
        var output = Path.Combine(folder.Path, "published", project);
        Succeed(Start(Repository.Root, null, "publish", Path.Combine("src", project), "--no-build", "-c", Configuration, "-p:LibTorch=none", "-o", output));
        return output;
    }

    /// <summary>Restores, builds and runs a project, and returns what it prints.</summary>
    public string Run(string project, params string[] arguments) => Succeed(Start(project, Packages, ["run", "--", .. arguments]));

    /// <summary>Installs Pascl's command line as a tool, and returns its program.</summary>
    public string InstallTool()
    {
        var tools = Path.Combine(folder.Path, "tools");
        Succeed(Start(folder.Path, Packages, "tool", "install", "pascl", "--version", Version, "--tool-path", tools));
        return Path.Combine(tools, "pascl");
    }

    /// <summary>Runs a program that was installed, on a machine whose packages are in a folder.</summary>
    public (int ExitCode, string Output) RunInstalled(string program, string packages, params string[] arguments) => StartProgram(program, folder.Path, packages, arguments);

    /// <summary>Builds a project from the packages that were restored before.</summary>
    public (int ExitCode, string Output) Build(string project, params string[] properties) =>
        Start(project, Packages, ["build", "--no-restore", .. properties]);

    public void Dispose() => folder.Dispose();

    private static string Succeed((int ExitCode, string Output) result)
    {
        Assert.That(result.ExitCode, Is.Zero, result.Output);
        return result.Output;
    }

    private static (int ExitCode, string Output) Start(string directory, string? packages, params string[] arguments) => StartProgram("dotnet", directory, packages, arguments);

    private static (int ExitCode, string Output) StartProgram(string program, string directory, string? packages, string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = directory,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        if (packages is not null)
        {
            start.Environment["NUGET_PACKAGES"] = packages;
        }

        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + error.Result);
    }
}
